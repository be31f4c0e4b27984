"""An instance in a native syntax, whatever it is stored in: its frames are decoded one at a time, each when its turn comes.

The one way out of compression: DICOMweb, C-STORE, C-GET and C-MOVE give these pieces. The
codecs run in processes that may die (`node.imaging.decode`). The header is made to fit what comes
out of them: order of samples, colour space, no offset tables.

Source: DICOM PS3.5 8.1, 8.2, A.1, A.2, A.4; PS3.3 C.7.6.3.1.2 (photometric interpretation), C.7.6.3.1.3, C.7.6.3.1.8.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from node.dicom.frames import compressed_frames
from node.dicom.header import Header, scan
from node.dicom.native import Piece, Replaced, Value, write_encapsulated, write_native
from node.dicom.syntax import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.dicom.tree import Elements
from node.dicom.walk import PIXEL_DATA
from node.imaging.codecs import DECODABLE, GIVES_RGB
from node.imaging.decode import Undecodable, decode_frame
from node.imaging.pixels import NoPicture, PixelFacts, read_pixel_facts
from node.store.regions import Made

MOST_FRAMES = 100_000
_NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})
"""Not those whose pixels lie elsewhere, nor GE's private one: its pixels alone are big endian."""
_FRAMES, _PHOTOMETRIC, _PLANAR = 0x00280008, 0x00280004, 0x00280006
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002, 0x7FE00003)
_LONGEST = 0xFFFFFFFE


def can_be_native(transfer_syntax: str) -> bool:
    """Say whether instances of a transfer syntax can be written in explicit or implicit VR little endian."""
    return transfer_syntax in DECODABLE or transfer_syntax in _NATIVE


def native_pieces(header: Header, *, explicit: bool) -> list[Piece]:
    """Give the data set in explicit or implicit VR little endian.

    The first frame is decoded at once: what cannot be decoded at all is refused before anything is promised.

    Raises
    ------
    InvalidRequest
        It cannot be decoded, or its values do not fit; `NoPicture` where that lies in its pixels.
    NotFound
        Not all of its frames are there.
    Unavailable
        No process to decode in is free.
    """
    if not can_be_native(header.transfer_syntax):
        raise Undecodable(
            f"Decoding an instance was refused: no codec for {header.transfer_syntax}. Take it as stored."
        )
    return write_native(
        header,
        explicit=explicit,
        replaced=_decompressed(header),
        write_item=partial(_write_item, header.transfer_syntax, explicit),
    )


def _write_item(transfer_syntax: str, explicit: bool, item: Elements) -> list[Piece]:
    """Write an item that holds pixels of its own, an icon mostly. Source: DICOM PS3.3 F.7 (Icon Image), PS3.5 A.4."""
    return native_pieces(scan(write_encapsulated(item), transfer_syntax), explicit=explicit)


def _decompressed(header: Header) -> Replaced:
    """Give what must be written otherwise so that the pixels are native; nothing when they are."""
    element = header.elements.get(PIXEL_DATA)
    if element is None or not element.undefined:
        return {}
    facts = _pixel_facts(header)
    if facts.bits_allocated % 8:
        raise Undecodable("Decoding an instance was refused: its pixels are single bits. Take it as stored.")
    count = _count(header)
    if count * facts.frame_bytes > _LONGEST or count > MOST_FRAMES:
        raise Undecodable("Decoding an instance was refused: it grows past 4 GiB. Take its frames.")
    streams = compressed_frames(header)
    streams(count)  # a number of frames that is not there is refused before any is promised
    decode = partial(_decoded, streams, header.transfer_syntax, facts)
    frames: list[Piece] = [decode(1)]
    frames += [Made(length=facts.frame_bytes, make=partial(decode, number)) for number in range(2, count + 1)]
    replaced: dict[int, Value | None] = dict.fromkeys(_OFFSET_TABLES)
    replaced[PIXEL_DATA] = Value(vr="OW" if facts.bits_allocated > 8 else "OB", pieces=frames)
    return replaced | _changed(header, facts)


def _pixel_facts(header: Header) -> PixelFacts:
    try:
        return read_pixel_facts(header)
    except NoPicture as error:
        raise Undecodable(
            "Decoding an instance was refused: what it says of its pixels is not supported. Take it as stored."
        ) from error


def _decoded(streams: Callable[[int], bytes], transfer_syntax: str, facts: PixelFacts, number: int) -> bytes:
    values = decode_frame(
        streams(number),
        transfer_syntax,
        rows=facts.rows,
        columns=facts.columns,
        samples=facts.samples,
        bits_allocated=facts.bits_allocated,
        photometric=facts.photometric,
    )
    width = facts.bits_allocated // 8
    if values.dtype.kind not in "iu":
        raise Undecodable(
            "Decoding a frame was refused: its pixels are not whole numbers. Take it as stored."
        )
    written = values.astype(f"<{values.dtype.kind}{width}", copy=False)
    if values.dtype.itemsize > width and not np.array_equal(written, values):
        raise Undecodable(
            "Decoding a frame was refused: its pixels are wider than it says. Take it as stored."
        )
    return np.ascontiguousarray(written).tobytes()


def _changed(header: Header, facts: PixelFacts) -> dict[int, Value | None]:
    """Give what the header must say otherwise of decoded pixels."""
    if facts.samples == 1:
        return {}
    changed: dict[int, Value | None] = {_PLANAR: Value(vr="US", pieces=[b"\0\0"])}
    if header.transfer_syntax in GIVES_RGB or facts.photometric in ("YBR_ICT", "YBR_RCT"):
        changed[_PHOTOMETRIC] = Value(vr="CS", pieces=[b"RGB "])
    elif facts.photometric == "YBR_FULL_422":  # each pixel has its own colour now
        changed[_PHOTOMETRIC] = Value(vr="CS", pieces=[b"YBR_FULL"])
    return changed


def _count(header: Header) -> int:
    text = header.text(_FRAMES)
    return max(int(text), 1) if text.isdecimal() and len(text) < 10 else 1
