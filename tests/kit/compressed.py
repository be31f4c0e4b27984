"""Instances with compressed frames, each encoded here: the same ramp in many syntaxes."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np

from tests.kit.instances import LITTLE, UNDEFINED, encapsulate, make_ct

SIDE = 32
SYNTAXES = {
    "jpeg-lossless": "1.2.840.10008.1.2.4.70",
    "jpeg-ls": "1.2.840.10008.1.2.4.80",
    "jpeg-2000": "1.2.840.10008.1.2.4.90",
    "htj2k": "1.2.840.10008.1.2.4.201",
    "rle": "1.2.840.10008.1.2.5",
}


def ramp(number: int) -> np.ndarray[Any, Any]:
    """Give the stored values of a frame."""
    return (np.arange(SIDE * SIDE, dtype="<u2").reshape(SIDE, SIDE) + 500 * number) % 4096


def encoded(name: str, number: int = 0) -> bytes:
    """Give one frame as its codec writes it."""
    values = np.ascontiguousarray(ramp(number))
    match name:
        case "jpeg-lossless":
            return bytes(imagecodecs.ljpeg_encode(values, bitspersample=12))
        case "jpeg-ls":
            return bytes(imagecodecs.jpegls_encode(values))
        case "jpeg-2000":
            return bytes(imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, level=0))
        case "htj2k":
            return bytes(imagecodecs.htj2k_encode(values, reversible=True))
        case "rle":
            return rle(values.tobytes())
        case "jpeg-colour-lossy":
            red = np.zeros((SIDE, SIDE, 3), np.uint8)
            red[..., 0] = 220
            return bytes(imagecodecs.jpeg8_encode(red, level=95))
        case _:
            raise AssertionError(name)


def rle(words: bytes) -> bytes:
    """Write 16-bit words as RLE without any run. Source: DICOM PS3.5 G."""
    segments = []
    for plane in (words[1::2], words[::2]):
        literal = b"".join(
            bytes([len(run) - 1]) + run for run in (plane[n : n + 128] for n in range(0, len(plane), 128))
        )
        segments.append(literal + b"\0" * (len(literal) % 2))
    offsets = [64, 64 + len(segments[0])]
    header = b"".join(number.to_bytes(4, "little") for number in [2, *offsets])
    return header.ljust(64, b"\0") + b"".join(segments)


def compressed_ct(name: str, *, frames: int = 1, spoil: bool = False, **words: Any) -> bytes:
    """Give a data set with compressed frames; spoiled, its codec cannot read them."""
    streams = [encoded(name, number) for number in range(frames)]
    if spoil:
        streams = [stream[:2] + bytes(64) for stream in streams]
    return with_frames(*streams, colour="colour" in name, **words)


def with_frames(
    *streams: bytes,
    colour: bool = False,
    rows: int = SIDE,
    columns: int = SIDE,
    change: Any = None,
    **words: Any,
) -> bytes:
    """Give a data set around frames that are encoded already, whatever they are."""
    described: dict[int, Any] = {
        0x00280004: ("CS", "YBR_FULL_422" if colour else "MONOCHROME2"),
        0x00280008: ("IS", str(len(streams))),
        0x7FE00010: None,
    }
    if colour:
        described |= {
            0x00280002: ("US", 3),
            0x00280006: ("US", 0),
            0x00280100: ("US", 8),
            0x00280101: ("US", 8),
        }
    plain = make_ct(rows=rows, columns=columns, pixels=b"", change=described | (change or {}), **words)
    padded = [stream + b"\0" * (len(stream) % 2) for stream in streams]
    return plain + LITTLE.element(0x7FE00010, "OB", encapsulate(*padded), length=UNDEFINED)
