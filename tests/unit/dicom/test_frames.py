"""Frames by number, native and encapsulated, with and without an offset table."""

from __future__ import annotations

import struct

import pytest

from node.dicom.frames import compressed_frames, frame_bytes, frame_of, frame_spans
from node.dicom.header import scan
from node.errors import InvalidRequest, NotFound
from tests.kit.instances import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    LITTLE,
    RLE,
    UNDEFINED,
    Value,
    encapsulate,
    gradient,
    make_ct,
)

A, B1, B2, C = b"\xff\xd8a.", b"\xff\xd8b.", b"rest", b"\xff\xd8c."


def native(frames: int, syntax: str = EXPLICIT, **change: tuple[str, Value]) -> bytes:
    elements = {int(tag.removeprefix("t"), 16): entry for tag, entry in change.items()}
    pixels = gradient(4 * frames, 4, little=syntax != BIG)
    return make_ct(
        transfer_syntax=syntax, pixels=pixels, change={0x00280008: ("IS", str(frames)), **elements}
    )


def encapsulated(
    *fragments: bytes, frames: int, table: bytes = b"", change: dict[int, tuple[str, Value]] | None = None
) -> bytes:
    head = make_ct(change={0x00280008: ("IS", str(frames)), 0x7FE00010: None, **(change or {})})
    return head + LITTLE.element(0x7FE00010, "OB", encapsulate(*fragments, table=table), length=UNDEFINED)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_native_frames_are_cut_by_arithmetic_in_little_endian(syntax: str) -> None:
    whole = gradient(12, 4)
    frames = [frame_bytes(native(3, syntax), syntax, n) for n in (1, 2, 3)]
    assert frames == [whole[:32], whole[32:64], whole[64:]]


def test_native_frame_is_located_in_a_beginning() -> None:
    data = native(3)
    header = scan(data[:-60], EXPLICIT, size=len(data))
    (span,) = frame_spans(header, 3)
    assert data[span.offset : span.offset + span.length] == gradient(12, 4)[64:]


@pytest.mark.parametrize("number", [0, 4, -1])
def test_frame_that_is_not_there_is_not_found(number: int) -> None:
    with pytest.raises(NotFound, match="the instance has 3"):
        frame_bytes(native(3), EXPLICIT, number)


def test_pixels_shorter_than_they_say_are_not_read_past() -> None:
    with pytest.raises(NotFound, match="ends before it"):
        frame_bytes(native(3, t00280008=("IS", "9")), EXPLICIT, 9)


def test_document_has_no_frames() -> None:
    with pytest.raises(NotFound, match="no pixel data"):
        frame_bytes(make_ct(change={0x7FE00010: None}), EXPLICIT, 1)


def test_subsampled_chroma_takes_two_samples_a_pixel() -> None:
    data = make_ct(
        pixels=bytes(range(64)),
        change={
            0x00280002: ("US", 3),
            0x00280004: ("CS", "YBR_FULL_422"),
            0x00280008: ("IS", "2"),
            0x00280100: ("US", 8),
        },
    )
    assert frame_bytes(data, EXPLICIT, 2) == bytes(range(32, 64))


def test_frames_of_single_bits_begin_within_a_byte() -> None:
    change: dict[int, tuple[str, Value] | None] = {0x00280008: ("IS", "2"), 0x00280100: ("US", 1)}
    data = make_ct(rows=3, columns=4, pixels=b"\xff\x0f\x5a\x00", change=change)  # 12 bits each
    assert frame_bytes(data, EXPLICIT, 1) == b"\xff\x0f"
    assert frame_bytes(data, EXPLICIT, 2) == b"\xa0\x05"


def test_single_frame_is_all_its_fragments() -> None:
    assert frame_bytes(encapsulated(A, B2, frames=1), JPEG_BASELINE, 1) == A + B2


def test_one_fragment_a_frame_needs_no_table() -> None:
    data = encapsulated(b"r1", b"r2", frames=2)
    assert [frame_bytes(data, RLE, n) for n in (1, 2)] == [b"r1", b"r2"]


def test_fragments_are_told_apart_by_the_offset_table() -> None:
    table = struct.pack("<3L", 0, 12, 36)
    data = encapsulated(A, B1, B2, C, frames=3, table=table)
    assert [frame_bytes(data, JPEG_BASELINE, n) for n in (1, 2, 3)] == [A, B1 + B2, C]


@pytest.mark.parametrize(
    "table", [b"", struct.pack("<3L", 0, 99, 36), struct.pack("<2L", 0, 12), struct.pack("<3L", 0, 36, 12)]
)
def test_wrong_or_missing_table_gives_way_to_where_streams_begin(table: bytes) -> None:
    data = encapsulated(A, B1, B2, C, frames=3, table=table)
    assert [frame_bytes(data, JPEG_BASELINE, n) for n in (1, 2, 3)] == [A, B1 + B2, C]


def test_frames_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="2 frames lie in 3 fragments"):
        frame_bytes(encapsulated(b"xx", b"yy", b"zz", frames=2), JPEG_BASELINE, 1)


def test_extended_offset_table_gives_the_true_length() -> None:
    change: dict[int, tuple[str, Value]] = {
        0x7FE00001: ("OV", struct.pack("<2Q", 0, 12)),
        0x7FE00002: ("OV", struct.pack("<2Q", 4, 3)),
    }
    data = encapsulated(A, B1, frames=2, change=change)
    assert [frame_bytes(data, JPEG_BASELINE, n) for n in (1, 2)] == [A, B1[:3]]
    lie = encapsulated(A, B1, frames=2, change={**change, 0x7FE00001: ("OV", struct.pack("<2Q", 0, 13))})
    with pytest.raises(InvalidRequest, match="points elsewhere"):
        frame_bytes(lie, JPEG_BASELINE, 2)


def test_an_extended_table_that_is_too_short_does_not_mean_the_first_frame() -> None:
    change: dict[int, tuple[str, Value]] = {
        0x7FE00001: ("OV", struct.pack("<Q", 0)),
        0x7FE00002: ("OV", struct.pack("<2Q", 4, 4)),
    }
    with pytest.raises(InvalidRequest, match="points elsewhere"):
        frame_bytes(encapsulated(A, B1, frames=2, change=change), JPEG_BASELINE, 2)


@pytest.mark.parametrize("table", [b"", struct.pack("<3L", 0, 12, 36)])
def test_who_wants_all_frames_gets_the_same(table: bytes) -> None:
    fragments = (A, B1, B2, C) if table else (A, B1 + B2, C)
    header = scan(encapsulated(*fragments, frames=3, table=table), JPEG_BASELINE)
    streams = compressed_frames(header)
    assert [streams(n) for n in (3, 1, 2)] == [C, A, B1 + B2]
    assert [frame_of(header, n) for n in (3, 1, 2)] == [C, A, B1 + B2]
    for number in (0, 4):
        with pytest.raises(NotFound, match="the instance has 3"):
            streams(number)
    one = compressed_frames(scan(encapsulated(A, B2, frames=1), JPEG_BASELINE))
    assert one(1) == A + B2


def test_video_has_no_frames_to_cut() -> None:
    with pytest.raises(InvalidRequest, match="video"):
        frame_bytes(encapsulated(b"mpeg", frames=30), "1.2.840.10008.1.2.4.100", 1)


def test_an_offset_table_cut_within_a_number_is_no_table() -> None:
    pixels = encapsulate(b"\xff\xd8" + bytes(6), b"\xff\xd8" + bytes(4), table=bytes(7))
    plain = make_ct(change={0x00280008: ("IS", "2"), 0x7FE00010: None})
    header = scan(plain + LITTLE.element(0x7FE00010, "OB", pixels, length=UNDEFINED), JPEG_BASELINE)
    assert frame_of(header, 2) == b"\xff\xd8" + bytes(4)
