"""Instances of every kind that the rule of the archive tells apart, each with what must become of it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from node.imaging.lossless import HTJ2K, JPEG_LS
from tests.kit.archiving import Given
from tests.kit.compressed import encoded
from tests.kit.instances import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    LITTLE,
    RLE,
    UNDEFINED,
    Value,
    encapsulate,
    encode,
    make_ct,
)

SIDE = 48
Change = Mapping[int, tuple[str, Value] | None]
Pixels = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Kind:
    """An instance, and the syntaxes that it may be coded in; with none, words of why it is not."""

    given: Given
    syntaxes: tuple[str, ...] = ()
    kept: str = ""


def picture(bits: int, *, samples: int = 1, frames: int = 1, seed: int = 1) -> Pixels:
    """Give something like a natural image: smooth, with noise; frames x rows x columns x samples, of so many bits."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    smooth = 0.5 + 0.4 * np.sin(4 * rows + 1) * np.cos(5 * columns)
    whole = np.repeat(smooth[None, :, :, None], frames, axis=0).repeat(samples, axis=3)
    noisy = whole + random.normal(0, 0.01, whole.shape)
    return np.clip(noisy * (1 << bits), 0, (1 << bits) - 1).astype(np.uint16)


def ct(pixels: bytes, *, change: Change | None = None, syntax: str = EXPLICIT) -> Given:
    """Make an unsigned 12-bit grey image, or what a change makes of it."""
    told: dict[int, tuple[str, Value] | None] = {0x00280004: ("CS", "MONOCHROME2")}
    data_set = make_ct(
        rows=SIDE, columns=SIDE, pixels=pixels, transfer_syntax=syntax, change=told | dict(change or {})
    )
    return Given(data_set=data_set, transfer_syntax=syntax)


def bits(allocated: int, stored: int, *, high: int | None = None, signed: bool = False) -> Change:
    """Say how the bits of samples lie."""
    return {
        0x00280100: ("US", allocated),
        0x00280101: ("US", stored),
        0x00280102: ("US", stored - 1 if high is None else high),
        0x00280103: ("US", int(signed)),
    }


def colour(photometric: str, *, planar: int | None = 0) -> Change:
    """Say what three samples of 8 bits are."""
    return {
        **bits(8, 8),
        0x00280002: ("US", 3),
        0x00280004: ("CS", photometric),
        0x00280006: ("US", planar) if planar is not None else None,
    }


def words(values: Pixels) -> bytes:
    """Write samples of 16 bits."""
    return values.astype("<u2").tobytes()


def octets(values: Pixels) -> bytes:
    """Write samples of 8 bits."""
    return values.astype("u1").tobytes()


GREY, WIDE, SMALL = picture(12), picture(16), picture(8)
RGB = picture(8, samples=3)
SIGNED = (GREY.astype(np.int32) - 2048).astype("<i2")
_GROUPS: Change = {0x00280000: ("UL", 100), 0x7FE00000: ("UL", 12 + 2 * SIDE * SIDE), 0x00080000: ("UL", 4)}
_ICON = LITTLE.item(
    LITTLE.element(0x00280010, "US", 2), LITTLE.element(0x7FE00010, "OB", b"\1\2\3\4"), delimited=True
)
_NESTED: Change = {
    0x00880200: ("SQ", _ICON),
    0x00091001: ("UN", b"\xe0\x7f\x10\x00OW\0\0\4\0\0\0abcd"),
}


def _drawn() -> bytes:
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    drawn[10:20, 5:40] = 255
    return octets(drawn)


def _multi_frame(syntax: str, frames: list[bytes], change: Change | None = None) -> Given:
    told: dict[int, tuple[str, Value] | None] = {
        0x00280008: ("IS", str(len(frames))),
        0x00280010: ("US", 32),
        0x00280011: ("US", 32),
        0x7FE00010: None,
        **dict(change or {}),
    }
    plain = ct(b"", change=told).data_set
    pixels = LITTLE.element(0x7FE00010, "OB", encapsulate(*frames), length=UNDEFINED)
    return Given(data_set=plain + pixels, transfer_syntax=syntax)


def _overlay(bit: int) -> Change:
    return {
        0x60000010: ("US", SIDE), 0x60000011: ("US", SIDE), 0x60000100: ("US", 16), 0x60000102: ("US", bit),
    }  # fmt: skip


def _many(change: Change | None = None, *, frames: int = 5) -> Given:
    return ct(
        words(picture(12, frames=frames)), change={0x00280008: ("IS", str(frames)), **dict(change or {})}
    )


_SMALL_FRAME: Change = {0x00280010: ("US", 1), 0x00280011: ("US", 1)}
_RLE_FRAMES = [encoded("rle", number) for number in range(4)]
_LS = (JPEG_LS,)

KINDS: dict[str, Kind] = {
    "unsigned 12 in 16": Kind(ct(words(GREY)), _LS),
    "unsigned 16 in 16": Kind(ct(words(WIDE), change=bits(16, 16)), _LS),
    "unsigned 8 in 8": Kind(ct(octets(SMALL), change=bits(8, 8)), _LS),
    "signed 16 in 16": Kind(ct(SIGNED.tobytes(), change=bits(16, 16, signed=True)), _LS),
    "signed 8 in 8": Kind(ct(octets(SMALL ^ 0x80), change=bits(8, 8, signed=True)), _LS),
    "signed 12 in 16, its sign above": Kind(ct(SIGNED.tobytes(), change=bits(16, 12, signed=True)), (HTJ2K,)),
    "signed 12 in 16, zeros above": Kind(
        ct(words(SIGNED.view("<u2") & 0xFFF), change=bits(16, 12, signed=True)), (HTJ2K,)
    ),
    "signed 15 in 16": Kind(ct(SIGNED.tobytes(), change=bits(16, 15, signed=True)), (HTJ2K,)),
    "MONOCHROME1": Kind(ct(words(GREY), change={0x00280004: ("CS", "MONOCHROME1")}), _LS),
    "palette": Kind(ct(octets(SMALL), change=bits(8, 8) | {0x00280004: ("CS", "PALETTE COLOR")}), _LS),
    "RGB": Kind(ct(octets(RGB), change=colour("RGB")), (JPEG_LS, HTJ2K)),
    "RGB by planes": Kind(
        ct(octets(RGB.transpose(0, 3, 1, 2)), change=colour("RGB", planar=1)), (JPEG_LS, HTJ2K)
    ),
    "YBR_FULL": Kind(ct(octets(RGB), change=colour("YBR_FULL")), _LS),
    "implicit VR": Kind(ct(words(GREY), syntax=IMPLICIT), _LS),
    "group lengths": Kind(ct(words(GREY), change=_GROUPS), _LS),
    "an icon, and what looks like pixel data": Kind(ct(words(GREY), change=_NESTED), _LS),
    "bytes behind the last frame": Kind(ct(words(GREY) + b"\7" * 10), _LS),
    "an odd frame": Kind(
        ct(octets(SMALL.reshape(SIDE, SIDE)[:47, :47]) + b"\0", change=bits(8, 8) | {
            0x00280010: ("US", 47), 0x00280011: ("US", 47),
        }), _LS,
    ),
    "padding behind the pixels": Kind(ct(words(GREY), change={0xFFFCFFFC: ("OB", b"\0" * 100)}), _LS),
    "several frames": Kind(_many(), _LS),
    "several frames of colour": Kind(
        ct(octets(picture(8, samples=3, frames=3)), change={**colour("RGB"), 0x00280008: ("IS", "3")}),
        (JPEG_LS, HTJ2K),
    ),
    "padding behind the pixels, implicit VR": Kind(
        ct(words(GREY), syntax=IMPLICIT, change={0xFFFCFFFC: ("OB", b"\0" * 100)}), kept="stands behind"
    ),
    "8 in 16": Kind(ct(words(SMALL), change=bits(16, 8)), kept="readers disagree about 8"),
    "6 in 8": Kind(ct(octets(SMALL >> 2), change=bits(8, 6)), kept="readers disagree about 6"),
    "32 bits": Kind(
        ct(GREY.astype("<u4").tobytes(), change=bits(32, 32)), kept="readers disagree about 32"
    ),
    "single bits": Kind(
        ct(b"\x5a" * (SIDE * SIDE // 8), change=bits(1, 1)), kept="readers disagree about 1 bits"
    ),
    "high bit elsewhere": Kind(ct(words(GREY << 4), change=bits(16, 12, high=15)), kept="lowest bits"),
    "no high bit": Kind(ct(words(GREY), change={0x00280102: None}), kept="no usable (0028,0102)"),
    "something above the bits": Kind(ct(words(GREY | (GREY & 1) << 13)), kept="bits above"),
    "an overlay in the pixels": Kind(ct(words(GREY), change=_overlay(12)), kept="overlay"),
    "an overlay of its own": Kind(ct(words(GREY), change=_overlay(0)), _LS),
    "4 samples": Kind(
        ct(octets(picture(8, samples=4)), change={**colour("CMYK"), 0x00280002: ("US", 4)}), kept="4 samples"
    ),
    "YBR_FULL_422": Kind(
        ct(octets(picture(8, samples=2)), change=colour("YBR_FULL_422")), kept="YBR_FULL_422"
    ),
    "float pixels": Kind(
        ct(b"", change={0x7FE00010: None, 0x7FE00008: ("OF", GREY.astype("<f4").tobytes())}),
        kept="floating point",
    ),
    "no pixels": Kind(ct(b"", change={0x7FE00010: None}), kept="no pixel data"),
    "an empty value": Kind(ct(b""), kept="shorter than it says"),
    "a frame too few": Kind(_many({0x00280008: ("IS", "6")}), kept="shorter than it says"),
    "no frame": Kind(_many({0x00280008: ("IS", "0")}), kept="shorter than it says"),
    "frames that are no number": Kind(_many({0x00280008: ("IS", "-1")}), kept="number of frames"),
    "a single pixel": Kind(ct(b"\1\2", change=_SMALL_FRAME), kept=""),
    "a drawn image": Kind(ct(_drawn(), change=bits(8, 8)), kept="deflate makes less of it"),
    "big endian": Kind(ct(GREY.astype(">u2").tobytes(), syntax=BIG), kept="big endian"),
    "deflated": Kind(ct(words(GREY), syntax=DEFLATED), kept="deflated"),
    "RLE, several frames": Kind(_multi_frame(RLE, _RLE_FRAMES), kept="compressed"),
    "JPEG-LS already": Kind(_multi_frame(JPEG_LS, [encoded("jpeg-ls"), encoded("jpeg-ls", 3)]), kept="compressed"),
    "implicit VR that is none": Kind(
        Given(data_set=ct(words(GREY)).data_set, transfer_syntax=IMPLICIT), kept="otherwise than"
    ),
    "encapsulated and called native": Kind(
        Given(data_set=_multi_frame(RLE, _RLE_FRAMES).data_set, transfer_syntax=EXPLICIT), kept="it came compressed"
    ),
}  # fmt: skip


def document() -> Given:
    """Make an instance without pixels, of text that repeats."""
    elements = [(0x0040A160, "UT", "所见 " * 2000)]
    return Given(
        data_set=ct(b"", change={0x7FE00010: None}).data_set + encode(elements, EXPLICIT, charset="utf-8"),
        transfer_syntax=EXPLICIT,
    )


def without_group_length(given: Given) -> Given:
    """Leave (0002,0000) out of file meta."""
    return Given(data_set=given.data_set, transfer_syntax=given.transfer_syntax, file_meta=given.meta[12:])


def wrong_group_length(given: Given) -> Given:
    """Write another (0002,0000) than is true."""
    meta = given.meta[:8] + struct.pack("<L", 7) + given.meta[12:]
    return Given(data_set=given.data_set, transfer_syntax=given.transfer_syntax, file_meta=meta)
