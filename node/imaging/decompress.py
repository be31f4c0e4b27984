"""Compressed pixels as native ones, frame by frame, into a file without a name.

For an AE that does not take the stored syntax. Each frame is decoded in a process
that may die (`decode`), so the memory of this one does not grow with the number of frames.

Source: DICOM PS3.5 8.1, 8.2, A.4; PS3.3 C.7.6.3.1.2 (photometric interpretation), C.7.6.3.1.3.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path

import numpy as np

from node.dicom.frames import frame_of
from node.dicom.header import Header
from node.dicom.plain import Replaced
from node.dicom.syntax import is_encapsulated
from node.dicom.walk import PIXEL_DATA
from node.errors import InvalidRequest, Unavailable
from node.imaging.decode import DECODABLE, GIVES_RGB, decode_frame
from node.imaging.pixels import PixelFacts, read_pixel_facts

_PHOTOMETRIC, _PLANAR, _FRAMES = 0x00280004, 0x00280006, 0x00280008
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002)
_GE_BIG_PIXELS = "1.2.840.113619.5.2"
"""Its pixels alone are big endian; nobody who asks for something else has it."""


def can_be_plain(transfer_syntax: str) -> bool:
    """Say whether instances of a syntax can be written in one that every AE takes."""
    if transfer_syntax == _GE_BIG_PIXELS:
        return False
    return transfer_syntax in DECODABLE or not is_encapsulated(transfer_syntax)


def decompressed(header: Header, directory: Path) -> Replaced:
    """Give what must be written otherwise so that the pixels are native; nothing when they are.

    Parameters
    ----------
    directory
        Where the pixels lie while they are needed, in a file without a name.

    Raises
    ------
    InvalidRequest
        No codec reads them, or they are not what the header says.
    Unavailable
        Decoding takes too long, or the disk has no room.
    """
    element = header.elements.get(PIXEL_DATA)
    if element is None or not element.undefined or not is_encapsulated(header.transfer_syntax):
        return {}
    facts = read_pixel_facts(header)
    frames = header.text(_FRAMES)
    count = max(int(frames), 1) if frames.isdecimal() and len(frames) < 10 else 1
    pixels = _file_of_frames(header, facts, count, directory)
    coloured = facts.samples == 3
    rgb = coloured and (header.transfer_syntax in GIVES_RGB or facts.photometric in ("YBR_ICT", "YBR_RCT"))
    replaced: dict[int, tuple[str, bytes | memoryview] | None] = dict.fromkeys(_OFFSET_TABLES)
    replaced[PIXEL_DATA] = ("OW" if facts.bits_allocated > 8 else "OB", pixels)
    if rgb:
        replaced[_PHOTOMETRIC] = ("CS", b"RGB ")
    if coloured:
        replaced[_PLANAR] = ("US", b"\0\0")
    return replaced


def _file_of_frames(header: Header, facts: PixelFacts, count: int, directory: Path) -> memoryview:
    dtype = np.dtype(f"<u{max(facts.bits_allocated // 8, 1)}")
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            for number in range(1, count + 1):
                values = decode_frame(
                    frame_of(header, number),
                    header.transfer_syntax,
                    rows=facts.rows,
                    columns=facts.columns,
                    samples=facts.samples,
                    bits_allocated=facts.bits_allocated,
                    photometric=facts.photometric,
                )
                if values.dtype.kind not in "iu":
                    raise InvalidRequest(
                        "Decompressing was refused: its pixels are not whole numbers. Send it as stored."
                    )
                file.write(values.astype(dtype, casting="unsafe").tobytes())
            file.flush()
            size = os.fstat(file.fileno()).st_size
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    except OSError as error:
        raise Unavailable(
            f"Decompressing failed: the disk does not take it ({error.strerror}). Free some space, try again."
        ) from error
