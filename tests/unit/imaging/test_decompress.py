"""Compressed instances written native: each frame when its turn comes, the header as the codec leaves the pixels."""

from __future__ import annotations

import tracemalloc
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread

from node.dicom.header import scan
from node.errors import Damaged, GridError, NotFound
from node.imaging.decode import Undecodable
from node.imaging.decompress import can_be_native, native_pieces
from node.store.regions import Made, size_of
from tests.kit.compressed import SIDE, SYNTAXES, compressed_ct, encoded, ramp, with_frames
from tests.kit.instances import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    LITTLE,
    UNDEFINED,
    encapsulate,
    make_ct,
    part10,
)
from tests.kit.native import joined, syntax_of, written_native

FORMS = pytest.mark.parametrize("explicit", [True, False], ids=["explicit", "implicit"])
JPEG_LS = SYNTAXES["jpeg-ls"]
GE_BIG_PIXELS = "1.2.840.113619.5.2"


def read(data_set: bytes, transfer_syntax: str, *, explicit: bool = True) -> Any:
    raw = written_native(data_set, transfer_syntax, explicit=explicit)
    return dcmread(BytesIO(part10(raw, transfer_syntax=syntax_of(explicit=explicit))))


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG_BASELINE, *SYNTAXES.values()])
def test_what_can_be_native(syntax: str) -> None:
    assert can_be_native(syntax)


@pytest.mark.parametrize(
    "syntax",
    [GE_BIG_PIXELS, "1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.100", "1.2.3.4"],
)
def test_what_cannot_is_refused(syntax: str) -> None:
    """GE's private one has big-endian pixels alone; pixels that lie elsewhere, videos and unknown ones stay so."""
    assert not can_be_native(syntax)
    if not syntax.endswith(".95"):  # deflated
        data_set = make_ct(transfer_syntax=IMPLICIT if syntax == GE_BIG_PIXELS else EXPLICIT)
        with pytest.raises(Undecodable, match=syntax):
            native_pieces(scan(data_set, syntax), explicit=True)


@FORMS
@pytest.mark.parametrize("name", SYNTAXES)
def test_frames_of_each_codec(name: str, explicit: bool) -> None:
    found = read(compressed_ct(name, frames=3), SYNTAXES[name], explicit=explicit)
    assert found["PixelData"].VR == "OW"
    assert np.array_equal(found.pixel_array, [ramp(n) for n in range(3)])


def test_frames_are_made_when_their_turn_comes_but_the_first() -> None:
    pieces = native_pieces(scan(compressed_ct("jpeg-ls", frames=4), JPEG_LS), explicit=True)
    made = [piece.length for piece in pieces if isinstance(piece, Made)]
    assert made == [SIDE * SIDE * 2] * 3
    assert size_of(pieces) == len(joined(pieces))


def most_held(pieces: list[Any], *, keep: bool) -> int:
    """Give the most bytes in memory while pieces are made one behind the other."""
    kept = []
    tracemalloc.start()
    for piece in pieces:
        content = piece.give() if isinstance(piece, Made) else piece
        if keep:
            kept.append(content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_memory_does_not_grow_with_the_frames_and_planted_keeping_of_them_is_caught() -> None:
    side, frames = 512, 24
    stream = bytes(imagecodecs.jpegls_encode(np.zeros((side, side), "<u2")))
    header = scan(with_frames(*[stream] * frames, rows=side, columns=side), JPEG_LS)
    bound = 6 * side * side * 2
    assert most_held(native_pieces(header, explicit=True), keep=False) < bound
    assert most_held(native_pieces(header, explicit=True), keep=True) > bound


def test_a_first_frame_that_cannot_be_decoded_is_refused_before_anything_is_given() -> None:
    with pytest.raises(Undecodable):
        native_pieces(scan(compressed_ct("jpeg-ls", spoil=True), JPEG_LS), explicit=True)


def test_a_later_one_breaks_off() -> None:
    good, bad = encoded("jpeg-ls"), encoded("jpeg-ls")[:40]
    pieces = native_pieces(scan(with_frames(good, bad), JPEG_LS), explicit=True)
    assert size_of(pieces) > 2 * SIDE * SIDE * 2
    with pytest.raises(Damaged, match="failed on the way"):
        joined(pieces)


def test_frames_that_are_not_there_are_refused() -> None:
    data_set = with_frames(encoded("jpeg-ls"), encoded("jpeg-ls"), change={0x00280008: ("IS", "3")})
    with pytest.raises(GridError):
        native_pieces(scan(data_set, JPEG_LS), explicit=True)
    empty = make_ct(change={0x7FE00010: None}) + LITTLE.element(
        0x7FE00010, "OB", encapsulate(), length=UNDEFINED
    )
    with pytest.raises(NotFound):
        native_pieces(scan(empty, JPEG_LS), explicit=True)


def test_without_a_number_of_frames_there_is_one() -> None:
    data_set = with_frames(encoded("jpeg-ls"), change={0x00280008: None})
    assert np.array_equal(read(data_set, JPEG_LS).pixel_array, ramp(0))


def test_more_than_an_element_holds_is_refused() -> None:
    data_set = with_frames(encoded("jpeg-ls"), rows=60_000, columns=1_000, change={0x00280008: ("IS", "99")})
    with pytest.raises(Undecodable, match="4 GiB"):
        native_pieces(scan(data_set, JPEG_LS), explicit=True)


@pytest.mark.parametrize(
    ("bits", "error"), [(1, "single bits"), (12, "not supported"), (8, "wider than it says")]
)
def test_bits_that_do_not_fit_are_refused(bits: int, error: str) -> None:
    data_set = with_frames(encoded("jpeg-ls", 3), change={0x00280100: ("US", bits)})
    with pytest.raises(GridError, match=error):
        native_pieces(scan(data_set, JPEG_LS), explicit=True)


@FORMS
def test_colours_are_told_as_they_come_out_of_the_codec(explicit: bool) -> None:
    lossy = read(compressed_ct("jpeg-colour-lossy"), JPEG_BASELINE, explicit=explicit)
    assert (lossy.PhotometricInterpretation, lossy.PlanarConfiguration) == ("RGB", 0)
    assert lossy.pixel_array[..., 0].mean() > 180 > 60 > lossy.pixel_array[..., 1].mean()


@pytest.mark.parametrize(
    ("said", "told"),
    [("YBR_FULL", "YBR_FULL"), ("RGB", "RGB"), ("YBR_RCT", "RGB"), ("YBR_FULL_422", "YBR_FULL")],
)
def test_colours_that_the_codec_leaves_alone_keep_their_name(said: str, told: str) -> None:
    values = np.arange(SIDE * SIDE * 3, dtype=np.uint8).reshape(SIDE, SIDE, 3)
    stream = bytes(imagecodecs.jpegls_encode(values))
    data_set = with_frames(stream, colour=True, change={0x00280004: ("CS", said), 0x00280006: None})
    header = scan(written_native(data_set, JPEG_LS, explicit=True), EXPLICIT)
    assert (header.text(0x00280004), header.value(0x00280006)) == (told, b"\0\0")
    assert header.value(0x7FE00010) == values.tobytes()
    assert header.elements[0x7FE00010].vr == "OB"


def test_offset_tables_are_left_out() -> None:
    tables = {0x7FE00001: ("OV", bytes(8)), 0x7FE00002: ("OV", len(encoded("jpeg-ls")).to_bytes(8, "little"))}
    data_set = with_frames(encoded("jpeg-ls"), change=tables)
    header = scan(written_native(data_set, JPEG_LS, explicit=True), EXPLICIT)
    assert max(header.elements) == 0x7FE00010
    assert 0x7FE00001 not in header.elements
    assert 0x7FE00002 not in header.elements


def test_pixels_of_an_odd_length_are_padded() -> None:
    stream = bytes(imagecodecs.jpegls_encode(np.full((3, 3), 7, np.uint8)))
    data_set = with_frames(
        stream, stream, stream, rows=3, columns=3, change={0x00280100: ("US", 8), 0x00280101: ("US", 8)}
    )
    header = scan(written_native(data_set, JPEG_LS, explicit=True), EXPLICIT)
    assert header.value(0x7FE00010) == b"\7" * 27 + b"\0"


@FORMS
def test_what_stands_behind_the_pixels_stays_there(explicit: bool) -> None:
    trailing = LITTLE.element(0xFFFCFFFC, "OB", bytes(10))
    header = scan(
        written_native(compressed_ct("rle") + trailing, SYNTAXES["rle"], explicit=explicit),
        syntax_of(explicit=explicit),
    )
    assert list(header.elements)[-2:] == [0x7FE00010, 0xFFFCFFFC]


@FORMS
def test_a_compressed_icon_is_decoded_too(explicit: bool) -> None:
    icon = scan(with_frames(encoded("jpeg-ls", 1)), JPEG_LS)
    begin = next(e.start for tag, e in icon.elements.items() if tag >> 16 == 0x0028)
    data_set = with_frames(
        encoded("jpeg-ls"),
        change={0x00880200: ("SQ", LITTLE.item(bytes(icon.data[begin:])))},
    )
    found = read(data_set, JPEG_LS, explicit=explicit)
    assert np.array_equal(found.pixel_array, ramp(0))
    (within,) = found.IconImageSequence
    assert within.PixelData == ramp(1).tobytes()


def test_fragments_in_a_native_syntax_are_refused() -> None:
    with pytest.raises(Undecodable, match="no codec"):
        native_pieces(scan(compressed_ct("jpeg-ls"), EXPLICIT), explicit=True)


def test_pixels_that_came_native_in_a_compressed_syntax_and_none_at_all_go_as_they_are() -> None:
    assert written_native(make_ct(), JPEG_LS, explicit=True) == make_ct()
    without = make_ct(change={0x7FE00010: None})
    assert written_native(without, JPEG_LS, explicit=True) == without
