"""An instance in explicit VR little endian, whatever it is stored in: its frames are decoded one at a time, on demand.

The codecs run where `node.imaging.decode` lets them. The header is made to fit
what comes out: order of samples, colour space, no offset tables.

Source: DICOM PS3.5 A.2, 8.2; PS3.3 C.7.6.3.1.2 (photometric interpretation), C.7.6.3.1.8.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from node.dicom.explicit import element_head, explicit_pieces, split_at_pixels
from node.dicom.frames import frame_of
from node.dicom.header import Header
from node.dicom.syntax import is_encapsulated
from node.dicom.tree import Leaf
from node.dicom.walk import PIXEL_DATA
from node.imaging.codecs import DECODABLE, GIVES_RGB
from node.imaging.decode import Undecodable, decode_frame
from node.imaging.pixels import PixelFacts, read_pixel_facts

MOST_FRAMES = 100_000
_FRAMES, _PHOTOMETRIC, _PLANAR = 0x00280008, 0x00280004, 0x00280006
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002, 0x7FE00003)
_LONGEST = 0xFFFFFFFE


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Bytes that are made when their turn comes."""

    size: int
    make: Callable[[], bytes]


Piece = bytes | memoryview | Made


def can_give_explicit(stored: str) -> bool:
    """Say whether instances of a transfer syntax can be given in explicit VR little endian."""
    return stored in DECODABLE or not is_encapsulated(stored)


def as_explicit(header: Header) -> list[Piece]:
    """Give the data set in explicit VR little endian, frames that must be decoded to be made in their turn.

    Raises
    ------
    NoPicture
        It cannot be decoded.
    InvalidRequest
        Its values do not fit.
    """
    if not is_encapsulated(header.transfer_syntax) or not _holds_frames(header):
        return list[Piece](explicit_pieces(header))
    facts = read_pixel_facts(header)
    if facts.bits_allocated % 8:
        raise Undecodable(
            "Decoding an instance was refused: its pixels are single bits. Ask for it as stored."
        )
    count, size = _count(header), facts.frame_bytes
    total = count * size
    if total > _LONGEST or count > MOST_FRAMES:
        raise Undecodable("Decoding an instance was refused: it grows past 4 GiB. Ask for its frames.")
    frame_of(header, count)  # a number of frames that is not there is refused before any is promised
    before, behind = split_at_pixels(header, without=_OFFSET_TABLES, change=_changed(header, facts))
    vr = "OW" if facts.bits_allocated > 8 else "OB"
    head = element_head(PIXEL_DATA, vr, total + total % 2)
    frames: list[Piece] = [
        Made(size=size, make=partial(_decoded, header, facts, number)) for number in range(1, count + 1)
    ]
    return [*before, head, *frames, *([b"\0"] if total % 2 else []), *behind]


def _decoded(header: Header, facts: PixelFacts, number: int) -> bytes:
    values = decode_frame(
        frame_of(header, number),
        header.transfer_syntax,
        rows=facts.rows,
        columns=facts.columns,
        samples=facts.samples,
        bits_allocated=facts.bits_allocated,
        photometric=facts.photometric,
    )
    return np.ascontiguousarray(values.astype(f"<u{facts.bits_allocated // 8}", copy=False)).tobytes()


def _changed(header: Header, facts: PixelFacts) -> dict[int, Leaf]:
    """Give what the header must say otherwise of decoded pixels."""
    if facts.samples == 1:
        return {}
    changed = {_PLANAR: Leaf(_PLANAR, "US", memoryview(struct.pack("<H", 0)), True)}
    if header.transfer_syntax in GIVES_RGB or facts.photometric in ("YBR_ICT", "YBR_RCT"):
        changed[_PHOTOMETRIC] = Leaf(_PHOTOMETRIC, "CS", memoryview(b"RGB "), True)
    return changed


def _holds_frames(header: Header) -> bool:
    return PIXEL_DATA in header.elements and header.elements[PIXEL_DATA].undefined


def _count(header: Header) -> int:
    text = header.text(_FRAMES)
    return max(int(text), 1) if text.isdecimal() and len(text) < 10 else 1
