"""Instances whose pixels mean harm: bombs, lies about sizes, streams cut off or in circles. All made here."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.kit.compressed import SIDE, SYNTAXES, encoded, with_frames
from tests.kit.instances import EXPLICIT, JPEG_BASELINE, make_ct

HUGE = 9_000
"""Rows and columns of a picture that is just not refused for its size."""
J2K = "1.2.840.10008.1.2.4.90"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """An instance, and how it is stored."""

    name: str
    data_set: bytes
    transfer_syntax: str
    sop_uid: str


def hostile_instances(study_uid: str = "2.25.66") -> Iterator[Hostile]:
    """Give them all."""
    for number, (name, transfer_syntax, data_set) in enumerate(_all(), start=1):
        sop_uid = f"{study_uid}.1.{number}"
        named = {"study_uid": study_uid, "series_uid": f"{study_uid}.1", "sop_uid": sop_uid}
        yield Hostile(name=name, transfer_syntax=transfer_syntax, sop_uid=sop_uid, data_set=data_set(named))


def _all() -> Iterator[tuple[str, str, Any]]:
    for name, syntax in SYNTAXES.items():
        stream = encoded(name)
        yield f"{name} truncated", syntax, _frames(stream[: len(stream) // 2])
        yield f"{name} of another size", syntax, _frames(stream, rows=SIDE * 2)
        yield f"{name} empty", syntax, _frames(b"\0\0")
        yield f"{name} noise", syntax, _frames(random.Random(7).randbytes(4000))
        for seed in range(3):
            yield f"{name} flipped {seed}", syntax, _frames(_flipped(stream, seed))
    yield "JPEG bomb", JPEG_BASELINE, _frames(jpeg_bomb(65_500, 65_500), rows=65_500, columns=65_500)
    yield (
        "JPEG bomb within limits",
        JPEG_BASELINE,
        _eight_bits(jpeg_bomb(HUGE, HUGE), rows=HUGE, columns=HUGE),
    )
    yield "JPEG bomb that says little", JPEG_BASELINE, _eight_bits(jpeg_bomb(65_500, 65_500))
    yield "JPEG of markers without end", JPEG_BASELINE, _eight_bits(b"\xff\xd8" + b"\xff" * 200_000)
    yield "JPEG of empty segments", JPEG_BASELINE, _eight_bits(b"\xff\xd8" + b"\xff\xe0\0\0" * 50_000)
    yield "JPEG 2000 bomb", J2K, _frames(j2k_bomb(HUGE, HUGE, HUGE), rows=HUGE, columns=HUGE)
    yield "JPEG 2000 of tiles of one pixel", J2K, _frames(j2k_bomb(HUGE, HUGE, 1), rows=HUGE, columns=HUGE)
    yield "JPEG 2000 of many components", J2K, _frames(j2k_bomb(SIDE, SIDE, SIDE, components=16_000))
    yield "HTJ2K bomb", SYNTAXES["htj2k"], _frames(j2k_bomb(HUGE, HUGE, 1), rows=HUGE, columns=HUGE)
    for name, offsets in {
        "behind the end": [64, 1 << 31],
        "in a circle": [64, 64, 64],
        "of many": [64] * 15,
    }.items():
        yield f"RLE segments {name}", SYNTAXES["rle"], _frames(_rle(offsets))
    yield "RLE bomb", SYNTAXES["rle"], _frames(_rle([64, 64], b"\x81\0" * 500_000), rows=HUGE, columns=HUGE)
    yield "RLE too many segments", SYNTAXES["rle"], _frames(struct.pack("<L", 0xFFFFFFFF).ljust(64, b"\1"))
    yield from _native()
    yield from _of_frames()


def _native() -> Iterator[tuple[str, str, Any]]:
    for name, tables in {
        "an empty palette": (b"", b"", b""),
        "a palette of one byte": (b"\1", b"\1", b"\1"),
        "palettes of several lengths": (bytes(512), b"\1\2", b"\1\2\3\4"),
    }.items():
        for count in (0, 256, 65535):
            yield f"{name}, {count}", EXPLICIT, _changed(_palette(count, tables))
    yield "rows alone", EXPLICIT, _changed({0x00280010: ("US", 65535)})
    yield "colours in pairs in odd columns", EXPLICIT, _changed(
        {
            0x00280002: ("US", 3), 0x00280004: ("CS", "YBR_FULL_422"), 0x00280011: ("US", 3),
            0x00280100: ("US", 8), 0x00280101: ("US", 8), 0x7FE00010: ("OW", bytes(96)),
        }
    )  # fmt: skip
    yield "stored bits over allocated ones", EXPLICIT, _changed({0x00280101: ("US", 60_000)})
    yield (
        "numbers that are none",
        EXPLICIT,
        _changed(
            {
                0x00281052: ("DS", "nan"),
                0x00281053: ("DS", "inf"),
                0x00281050: ("DS", "1e999"),
                0x00281051: ("DS", "1e999"),
            }
        ),
    )
    yield "planes of one", EXPLICIT, _changed({0x00280006: ("US", 1), 0x00280002: ("US", 3)})


def _of_frames() -> Iterator[tuple[str, str, Any]]:
    stream, syntax = encoded("jpeg-ls"), SYNTAXES["jpeg-ls"]
    yield "two thousand million frames", syntax, _frames(stream, change={0x00280008: ("IS", "2000000000")})
    yield "more frames than fragments", syntax, _frames(stream, stream, change={0x00280008: ("IS", "9")})
    circle = struct.pack("<4Q", 0, 0, 0, 0)
    yield (
        "offsets in a circle",
        syntax,
        _frames(
            *[stream] * 4,
            change={0x7FE00001: ("OV", circle), 0x7FE00002: ("OV", struct.pack("<4Q", *[1 << 62] * 4))},
        ),
    )


def jpeg_bomb(rows: int, columns: int) -> bytes:
    """Give a baseline JPEG of a few bytes that says it is large."""
    tables = b"\xff\xdb\0\x43\0" + bytes([1]) * 64 + b"\xff\xc4\0\x15\0\1" + bytes(16) + b"\0"[:1]
    frame = b"\xff\xc0\0\x0b\x08" + struct.pack(">HH", rows, columns) + b"\1\1\x11\0"
    return b"\xff\xd8" + tables + frame + b"\xff\xda\0\x08\1\1\0\0\x3f\0" + b"\0\xff\xd9"


def j2k_bomb(rows: int, columns: int, tile: int, *, components: int = 1) -> bytes:
    """Give the head of a JPEG 2000 codestream; its one tile holds nothing. Source: ITU-T T.800 A.4 to A.6."""
    size = struct.pack(">HLLLLLLLLH", 0, columns, rows, 0, 0, tile, tile, 0, 0, components)
    size += b"\x0f\1\1" * components
    coding = b"\0\0\0\1\0\5\4\4\0\0"
    quantisation = b"\x40" + bytes([0x40] * 16)
    segments = b"".join(
        marker + struct.pack(">H", len(body) + 2) + body
        for marker, body in ((b"\xff\x51", size), (b"\xff\x52", coding), (b"\xff\x5c", quantisation))
    )
    return b"\xff\x4f" + segments + b"\xff\x90\0\x0a\0\0\0\0\0\0\0\1\xff\x93" + b"\x80" * 64 + b"\xff\xd9"


def _rle(offsets: list[int], content: bytes = b"\0\1\0\2") -> bytes:
    header = struct.pack(f"<{1 + len(offsets)}L", len(offsets), *offsets)
    return header.ljust(64, b"\0")[:64] + content


def _flipped(stream: bytes, seed: int) -> bytes:
    chance, spoiled = random.Random(seed), bytearray(stream)
    for _ in range(12):
        spoiled[chance.randrange(20, len(spoiled))] ^= 1 << chance.randrange(8)
    return bytes(spoiled)


def _palette(count: int, tables: tuple[bytes, bytes, bytes]) -> dict[int, Any]:
    described: dict[int, Any] = {0x00280004: ("CS", "PALETTE COLOR")}
    for n, table in enumerate(tables):
        described[0x00281101 + n] = ("US", [count, 0, 16])
        described[0x00281201 + n] = ("OW", table)
    return described


def _changed(change: dict[int, Any]) -> Any:
    return lambda named: make_ct(**named, change=change)


def _frames(*streams: bytes, **words: Any) -> Any:
    return lambda named: with_frames(*streams, **words, **named)


def _eight_bits(stream: bytes, **words: Any) -> Any:
    eight = {0x00280100: ("US", 8), 0x00280101: ("US", 8), 0x00280102: ("US", 7)}
    return _frames(stream, change=eight, **words)
