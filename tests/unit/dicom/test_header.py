"""The pre-scan: what it indexes, what it forgives, what it refuses, and that nothing makes it fall over."""

from __future__ import annotations

import random
import resource
import struct
import tracemalloc
import zlib

import pytest

from node.dicom import walk
from node.dicom.header import identify, inflate, scan
from node.dicom.walk import MAX_DEPTH, MAX_TOP_ELEMENTS
from node.errors import InvalidRequest
from tests.kit.instances import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    LITTLE,
    RLE,
    UNDEFINED,
    Encoding,
    deflate,
    encapsulate,
    make_ct,
)

PATIENT_ID, NAME, ROWS, PIXELS = 0x00100020, 0x00100010, 0x00280010, 0x7FE00010


def nested(depth: int, *, delimited: bool, how: Encoding = LITTLE) -> bytes:
    inner = how.element(NAME, "PN", "A^B")
    for _ in range(depth):
        inner = how.sequence(0x00081140, how.item(inner, delimited=delimited), delimited=delimited)
    return inner


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_values_are_found_in_every_native_syntax(syntax: str) -> None:
    header = scan(make_ct(transfer_syntax=syntax, patient_id="B-9"), syntax)
    assert header.text(PATIENT_ID) == "B-9"
    assert header.whole
    assert header.pixel_offset == header.elements[PIXELS].offset
    assert len(header.value(PIXELS) or b"") == 32
    assert identify(header).study_uid == "2.25.1"


def test_absent_element_has_no_value_and_an_empty_text() -> None:
    header = scan(make_ct(), EXPLICIT)
    assert header.value(0x00104000) is None
    assert header.text(0x00104000) == ""


def test_encapsulated_pixels_end_at_their_delimiter() -> None:
    value = encapsulate(b"\xff\xd8" + bytes(10), bytes(8))
    tail = LITTLE.element(0xFFFCFFFC, "OB", bytes(4))
    data = make_ct(change={PIXELS: None}) + LITTLE.element(PIXELS, "OB", value, length=UNDEFINED) + tail
    header = scan(data, JPEG_BASELINE)
    pixels = header.elements[PIXELS]
    assert pixels.undefined
    assert bytes(header.data[pixels.offset : pixels.offset + pixels.length]) == value
    assert header.value(PIXELS) is None
    assert 0xFFFCFFFC in header.elements


def test_delimiter_bytes_inside_a_fragment_end_nothing() -> None:
    value = encapsulate(LITTLE.mark(0xE0DD) + bytes(6))
    data = make_ct(change={PIXELS: None}) + LITTLE.element(PIXELS, "OB", value, length=UNDEFINED)
    assert scan(data, RLE).elements[PIXELS].length == len(value)


@pytest.mark.parametrize("delimited", [True, False])
@pytest.mark.parametrize("how", [Encoding(), Encoding(explicit=False), Encoding(little=False)], ids=str)
def test_sequences_are_walked_whatever_their_encoding(how: Encoding, delimited: bool) -> None:
    syntax = IMPLICIT if not how.explicit else EXPLICIT if how.little else BIG
    data = nested(3, delimited=delimited, how=how) + how.element(PATIENT_ID, "LO", "B-9")
    assert list(scan(data, syntax).elements) == [0x00081140, PATIENT_ID]


def test_unknown_of_undefined_length_holds_implicit_items() -> None:
    implicit = Encoding(explicit=False)
    item = implicit.item(implicit.element(NAME, "PN", "A^B"), delimited=True)
    data = LITTLE.sequence(0x00091001, item, delimited=True, vr="UN") + LITTLE.element(
        PATIENT_ID, "LO", "B-9"
    )
    assert scan(data, EXPLICIT).text(PATIENT_ID) == "B-9"


def test_implicit_item_in_an_explicit_data_set_is_forgiven() -> None:
    implicit = Encoding(explicit=False)
    data = LITTLE.sequence(0x00081140, implicit.item(implicit.element(NAME, "PN", "A^B")))
    assert list(scan(data, EXPLICIT).elements) == [0x00081140]


@pytest.mark.parametrize(("said", "written"), [(IMPLICIT, EXPLICIT), (EXPLICIT, IMPLICIT)])
def test_syntax_that_says_the_other_encoding_is_read_as_found(said: str, written: str) -> None:
    header = scan(make_ct(transfer_syntax=written), said)
    assert header.explicit is (written == EXPLICIT)
    assert header.text(PATIENT_ID) == "A-17"


def test_zeros_after_the_end_are_forgiven() -> None:
    assert scan(make_ct() + bytes(100), EXPLICIT).text(PATIENT_ID) == "A-17"
    assert scan(make_ct() + bytes(3), EXPLICIT).whole


def test_beginning_is_enough_for_the_header() -> None:
    data = make_ct(rows=200, columns=200)
    header = scan(data[:4096], EXPLICIT, size=len(data))
    assert header.whole
    assert header.elements[PIXELS].length == 80_000
    assert header.value(PIXELS) is None


def test_beginning_that_ends_too_early_says_so() -> None:
    data = make_ct()
    header = scan(data[:200], EXPLICIT, size=len(data))
    assert not header.whole
    assert not header.covers(ROWS)
    assert header.covers(0x00080018) is False  # within these groups any order is forgiven


def test_beginning_that_reaches_the_groups_behind_the_image_covers_all_before() -> None:
    data = make_ct(rows=200, columns=200) + LITTLE.element(0xFFFCFFFC, "OB", bytes(4))
    header = scan(data[:4096], EXPLICIT, size=len(data))
    assert not header.whole
    assert header.covers(ROWS)
    assert header.covers(0x00283010)


def test_order_is_forgiven_but_nothing_hides_behind_the_pixels() -> None:
    late = LITTLE.element(PATIENT_ID, "LO", "B-9 ")
    assert (
        identify(scan(make_ct(change={PATIENT_ID: None, PIXELS: None}) + late, EXPLICIT)).study_uid
        == "2.25.1"
    )
    with pytest.raises(InvalidRequest, match=r"\(0010,0020\) stands behind"):
        identify(scan(make_ct(change={PATIENT_ID: None}) + late, EXPLICIT))


def test_a_transfer_syntax_that_is_no_uid_is_refused() -> None:
    for syntax in ("", "x'00'", "1.2.840.10008.1.2.01", "1.2.840.10008.1.2 "):
        with pytest.raises(InvalidRequest, match="its transfer syntax is not a valid UID"):
            scan(make_ct(), syntax)


@pytest.mark.parametrize("vr", ["SQ", "UN", "UT"])
def test_pixel_data_of_another_kind_has_no_fragments(vr: str) -> None:
    value = encapsulate(b"\xff\xd8" + bytes(10), bytes(8))
    with pytest.raises(InvalidRequest):
        scan(make_ct(change={PIXELS: None}) + LITTLE.element(PIXELS, vr, value, length=UNDEFINED), RLE)


def test_one_zero_after_the_end_may_be_a_tag_cut_off() -> None:
    with pytest.raises(InvalidRequest, match="ends in the middle"):
        scan(make_ct() + bytes(1), EXPLICIT)
    assert scan(make_ct() + bytes(2), EXPLICIT).whole


def test_behind_a_deflate_stream_stand_zeros_or_the_trailer_of_gzip() -> None:
    plain, whole = make_ct(), make_ct(transfer_syntax=DEFLATED)
    trailer = struct.pack("<LL", zlib.crc32(plain), len(plain))
    for tail in (b"\0", bytes(300), trailer, trailer + b"\0"):
        assert scan(whole + tail, DEFLATED).whole
    for tail in (b"\1", trailer[:4], trailer[:7], bytes(4) + trailer, trailer + b"x", bytes(70_000), whole):
        with pytest.raises(InvalidRequest, match="behind its deflated bytes"):
            scan(whole + tail, DEFLATED)


def test_a_patient_given_twice_is_refused() -> None:
    data = make_ct(change={PIXELS: None}) + LITTLE.element(PATIENT_ID, "LO", "Z-1")
    with pytest.raises(InvalidRequest, match=r"\(0010,0020\) comes twice"):
        scan(data, EXPLICIT)


@pytest.mark.parametrize("group", [0x0000, 0x0002])
def test_command_and_meta_groups_are_refused_in_a_data_set(group: int) -> None:
    with pytest.raises(InvalidRequest, match="belongs outside"):
        scan(LITTLE.element(group << 16 | 0x10, "UI", EXPLICIT) + make_ct(), EXPLICIT)


def test_unknown_vr_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="unknown VR"):
        scan(LITTLE.element(0x00080008, "CS", "A ") + struct.pack("<HH2sH", 9, 1, b"XX", 0), EXPLICIT)


@pytest.mark.parametrize("delimited", [True, False])
def test_depth_is_capped(delimited: bool) -> None:
    assert scan(nested(MAX_DEPTH, delimited=delimited), EXPLICIT).whole
    for depth in (MAX_DEPTH + 1, 200):
        with pytest.raises(InvalidRequest, match="nested deeper"):
            scan(nested(depth, delimited=delimited), EXPLICIT)


@pytest.mark.parametrize("delimited", [True, False])
def test_depth_is_capped_where_no_vr_tells_a_sequence(delimited: bool) -> None:
    with pytest.raises(InvalidRequest, match="nested deeper"):
        scan(nested(200, delimited=delimited, how=Encoding(explicit=False)), IMPLICIT)


def test_number_of_elements_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_ELEMENTS", 1000)
    assert scan(LITTLE.sequence(0x00081140, LITTLE.item() * 999), EXPLICIT).whole
    with pytest.raises(InvalidRequest, match="more than 1000"):
        scan(LITTLE.sequence(0x00081140, LITTLE.item() * 1000), EXPLICIT)


def test_number_of_top_elements_is_capped() -> None:
    many = b"".join(LITTLE.element(0x00091000 + n, "CS", "") for n in range(MAX_TOP_ELEMENTS + 1))
    with pytest.raises(InvalidRequest, match=f"more than {MAX_TOP_ELEMENTS}"):
        scan(many, EXPLICIT)


@pytest.mark.parametrize("code", [b"N\0", b"A~", b"QQ", b"Ya", b"B\xff"])
def test_bytes_that_some_readers_take_for_a_vr_are_refused(code: bytes) -> None:
    """Half a length to one reader, a VR to another: a name would stand there for one of them only."""
    hidden = b"\x10\x00\x10\x00PN\x04\x00A^B "
    length = int.from_bytes(code, "little")
    first = Encoding().element(0x00080008, "CS", "A ")
    odd = b"\x09\x00\x10\x10" + code + b"\0\0" + hidden + bytes(length - len(hidden))
    for elements in (first + odd, *([odd] if code.isupper() and code.isalpha() else [])):
        with pytest.raises(InvalidRequest, match="unknown VR"):
            scan(elements, EXPLICIT)
        with pytest.raises(InvalidRequest, match="unknown VR"):
            scan(first + Encoding().sequence(0x00081140, Encoding().item(elements)), EXPLICIT)


def test_deflate_bomb_is_refused_within_its_cap() -> None:
    bomb = deflate(*[bytes(1 << 20)] * 200)
    assert len(bomb) < 300_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidRequest, match="inflated it passes 64 MiB"):
        scan(bomb, DEFLATED)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_deflated_bytes_cut_off_or_damaged_are_refused() -> None:
    whole = make_ct(transfer_syntax=DEFLATED)
    with pytest.raises(InvalidRequest, match="end too early"):
        scan(whole[:-4], DEFLATED)
    with pytest.raises(InvalidRequest):
        inflate(b"\xff" * 50)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_truncation_at_any_byte_is_refused_or_leaves_whole_elements(syntax: str) -> None:
    data = make_ct(transfer_syntax=syntax)
    whole = scan(data, syntax)
    ends = {element.offset + element.length for element in whole.elements.values()} | {0}
    for length in range(len(data)):
        try:
            header = scan(data[:length], syntax)
        except InvalidRequest:
            assert length not in ends
        else:
            assert length in ends
            assert header.elements.items() <= whole.elements.items()


def test_truncation_at_any_byte_of_nested_and_encapsulated_data_is_refused() -> None:
    pixels = LITTLE.element(PIXELS, "OB", encapsulate(bytes(6), bytes(4)), length=UNDEFINED)
    data = nested(4, delimited=True) + nested(3, delimited=False)[:0] + pixels
    first = len(nested(4, delimited=True))
    for length in range(1, len(data)):
        if length != first:
            with pytest.raises(InvalidRequest):
                scan(data[:length], JPEG_BASELINE)


def test_a_lie_in_any_length_never_does_worse_than_a_refusal() -> None:
    """Each byte of small data sets set to each of some values: an answer or `InvalidRequest`, nothing else."""
    sources = [
        (make_ct(rows=1, columns=2), EXPLICIT),
        (make_ct(rows=1, columns=2, transfer_syntax=IMPLICIT), IMPLICIT),
        (nested(3, delimited=True) + nested(2, delimited=False)[:0], EXPLICIT),
        (nested(3, delimited=False), EXPLICIT),
        (LITTLE.element(PIXELS, "OB", encapsulate(bytes(6), bytes(4)), length=UNDEFINED), RLE),
    ]
    tracemalloc.start()
    for data, syntax in sources:
        for at in range(len(data)):
            for value in (0x00, 0x01, 0x7F, 0xE0, 0xFE, 0xFF):
                lie = data[:at] + bytes([value]) + data[at + 1 :]
                try:
                    header = scan(lie, syntax)
                except InvalidRequest:
                    continue
                for element in header.elements.values():
                    assert 0 <= element.offset <= element.offset + element.length <= len(lie)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_noise_never_does_worse_than_a_refusal() -> None:
    chance = random.Random(7)
    pieces = [
        b"\xfe\xff\x00\xe0",
        b"\xfe\xff\x0d\xe0",
        b"\xfe\xff\xdd\xe0",
        b"\xff" * 4,
        b"SQ\0\0",
        b"OB\0\0",
        b"UN\0\0",
    ]
    for _ in range(3000):
        noise = b"".join(
            chance.choice(pieces) if chance.random() < 0.5 else chance.randbytes(chance.randrange(1, 9))
            for _ in range(20)
        )
        for syntax in (EXPLICIT, IMPLICIT, BIG, JPEG_BASELINE, DEFLATED):
            for size in (None, len(noise) * 3):
                try:
                    scan(noise, syntax, size=size)
                except InvalidRequest:
                    continue


@pytest.mark.parametrize(
    ("tag", "name"),
    [(0x00080016, "SOP Class"), (0x00080018, "SOP Instance"), (0x0020000D, "Study"), (0x0020000E, "Series")],
)
def test_missing_or_malformed_identifiers_are_named(tag: int, name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"no {name}.* UID"):
        identify(scan(make_ct(change={tag: None}), EXPLICIT))
    for wrong in ("1.2.03", "1..2", "abc", "1." * 40 + "1", "1.2/../3"):
        with pytest.raises(InvalidRequest, match=f"its {name}.* is not a valid UID"):
            identify(scan(make_ct(change={tag: ("UI", wrong)}), EXPLICIT))


@pytest.mark.parametrize("size", [0, 1, 65_535, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 257])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_what_was_deflated_comes_out_whatever_its_size(size: int, level: int) -> None:
    """Steps of reading and growing end within, at and beyond it; stored blocks and long runs alike."""
    for content in (bytes(size), random.Random(size).randbytes(size)):
        deflater = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
        raw = deflater.compress(content) + deflater.flush()
        assert inflate(raw) == content
        assert inflate(raw + struct.pack("<LL", zlib.crc32(content), size) + bytes(2)) == content
        assert (
            bytes(inflate(raw[: len(raw) // 2], whole=False))
            == content[: len(inflate(raw[: len(raw) // 2], whole=False))]
        )
        with pytest.raises(InvalidRequest, match="too early"):
            inflate(raw[:-1])
        with pytest.raises(InvalidRequest, match="stands behind"):
            inflate(raw + b"x" * 70_000)
