"""Data sets written in explicit and implicit VR little endian, held against pydicom and against bytes written by hand."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from pydicom import dcmread

from node.dicom.encoding import Encoding as Written
from node.dicom.header import scan
from node.dicom.native import CHUNK_BYTES, Value, write_native
from node.dicom.normal import normal_digest
from node.errors import Damaged, InvalidRequest
from node.store.regions import Made, size_of
from tests.kit.instances import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    LITTLE,
    UNDEFINED,
    Encoding,
    make_ct,
    part10,
)
from tests.kit.native import joined, syntax_of

FORMS = pytest.mark.parametrize("explicit", [True, False], ids=["explicit", "implicit"])
BIG_ENDIAN, NO_VRS = Encoding(little=False), Encoding(explicit=False)


def anew(data_set: bytes, transfer_syntax: str = EXPLICIT, *, explicit: bool = True) -> bytes:
    pieces = write_native(scan(data_set, transfer_syntax), explicit=explicit)
    written = joined(pieces)
    assert size_of(pieces) == len(written)
    return written


@FORMS
@pytest.mark.parametrize("transfer_syntax", [IMPLICIT, BIG, DEFLATED, EXPLICIT])
def test_every_native_syntax_becomes_the_one_that_is_asked_for(transfer_syntax: str, explicit: bool) -> None:
    assert anew(make_ct(transfer_syntax=transfer_syntax), transfer_syntax, explicit=explicit) == make_ct(
        transfer_syntax=syntax_of(explicit=explicit)
    )


@pytest.mark.parametrize("delimited", [True, False])
@pytest.mark.parametrize("how", [LITTLE, BIG_ENDIAN, NO_VRS], ids=["explicit", "big", "implicit"])
@FORMS
def test_nested_sequences_get_lengths(explicit: bool, how: Encoding, delimited: bool) -> None:
    inner = how.sequence(0x00081199, how.item(how.element(0x00081150, "UI", "1.2"), delimited=delimited))
    given = how.sequence(
        0x00081140, how.item(inner, delimited=delimited), how.item(delimited=delimited), delimited=delimited
    )
    to = Encoding(explicit=explicit)
    inner = to.sequence(0x00081199, to.item(to.element(0x00081150, "UI", "1.2")))
    syntax = {LITTLE: EXPLICIT, BIG_ENDIAN: BIG, NO_VRS: IMPLICIT}[how]
    assert anew(given, syntax, explicit=explicit) == to.sequence(0x00081140, to.item(inner), to.item())


@FORMS
def test_group_lengths_go_at_every_depth(explicit: bool) -> None:
    length = LITTLE.element(0x00080000, "UL", 99)
    given = length + LITTLE.sequence(
        0x00081140, LITTLE.item(length + LITTLE.element(0x00081150, "UI", "1.2"))
    )
    to = Encoding(explicit=explicit)
    assert anew(given, explicit=explicit) == to.sequence(
        0x00081140, to.item(to.element(0x00081150, "UI", "1.2"))
    )


@pytest.mark.parametrize(
    ("tag", "vr", "odd", "even"),
    [
        (0x00080016, "UI", b"1.2", b"1.2\0"),
        (0x00080060, "CS", b"CTX", b"CTX "),
        (0x00080020, "DA", b"20260", b"20260 "),
        (0x00100020, "LO", b"A-1", b"A-1 "),
        (0x00420011, "OB", b"\1\2\3", b"\1\2\3\0"),
        (0x7FE00010, "OW", b"\1\2\3", b"\1\2\3\0"),
    ],
)
@FORMS
def test_odd_lengths_become_even_with_the_padding_of_the_vr(
    tag: int, vr: str, odd: bytes, even: bytes, explicit: bool
) -> None:
    given = LITTLE.element(tag, vr, odd)
    assert anew(given, explicit=explicit) == Encoding(explicit=explicit).element(tag, vr, even)


@pytest.mark.parametrize("size", [0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x10001])
def test_a_value_too_long_for_its_vr_is_un(size: int) -> None:
    """Source: DICOM PS3.5 6.2.2."""
    given = NO_VRS.element(0x00280010, "US", bytes(size))
    written = anew(given, IMPLICIT)
    even = size + size % 2
    vr = "US" if even <= 0xFFFE else "UN"
    assert written == LITTLE.element(0x00280010, vr, bytes(even))
    assert anew(given, IMPLICIT, explicit=False) == NO_VRS.element(0x00280010, "US", bytes(even))


def test_what_no_dictionary_knows_is_un_and_what_it_knows_is_not() -> None:
    private = NO_VRS.element(0x00090010, "LO", "MAKER ") + NO_VRS.element(0x00091001, "UN", b"\1\2")
    known = NO_VRS.element(0x00280103, "US", 1) + NO_VRS.element(0x00280106, "SS", -5)
    assert anew(private + known, IMPLICIT) == (
        LITTLE.element(0x00090010, "LO", "MAKER ")
        + LITTLE.element(0x00091001, "UN", b"\1\2")
        + LITTLE.element(0x00280103, "US", 1)
        + LITTLE.element(0x00280106, "SS", -5)
    )
    as_un = LITTLE.element(0x00100020, "UN", b"A-17")
    assert anew(as_un) == LITTLE.element(0x00100020, "LO", b"A-17")


@FORMS
def test_items_that_are_not_written_as_they_should_be(explicit: bool) -> None:
    """Implicit items in an explicit data set, and a sequence under UN. Source: DICOM PS3.5 6.2.2."""
    item = NO_VRS.item(NO_VRS.element(0x00081150, "UI", "1.2"))
    to = Encoding(explicit=explicit)
    expected = to.sequence(0x00081140, to.item(to.element(0x00081150, "UI", "1.2")))
    assert anew(LITTLE.sequence(0x00081140, item), explicit=explicit) == expected
    assert anew(LITTLE.element(0x00081140, "UN", item), explicit=explicit) == expected
    delimited = LITTLE.element(0x00081140, "UN", item + LITTLE.mark(0xE0DD), length=UNDEFINED)
    assert anew(delimited, explicit=explicit) == expected


def test_elements_come_by_tag_replaced_ones_too() -> None:
    given = LITTLE.element(0x00280010, "US", 4) + LITTLE.element(0x00280004, "CS", "RGB ")
    pieces = write_native(
        scan(given, EXPLICIT),
        explicit=True,
        replaced={
            0x00280006: Value(vr="US", pieces=[b"\0\0"]),
            0x00280004: Value(vr="CS", pieces=[b"YBR", b"_FULL"]),
            0x00280010: None,
        },
    )
    assert joined(pieces) == LITTLE.element(0x00280004, "CS", "YBR_FULL") + LITTLE.element(
        0x00280006, "US", 0
    )


def test_what_is_compressed_is_not_written_as_if_it_were_not() -> None:
    fragments = LITTLE.item() + LITTLE.item(b"\xff\xd8") + LITTLE.mark(0xE0DD)
    pixels = LITTLE.element(0x7FE00010, "OB", fragments, length=UNDEFINED)
    for given in (pixels, LITTLE.sequence(0x00880200, LITTLE.item(pixels))):
        with pytest.raises(InvalidRequest, match="Take it as stored"):
            anew(given)


def test_only_a_beginning_is_refused() -> None:
    whole = make_ct()
    with pytest.raises(InvalidRequest, match="Read it whole"):
        write_native(scan(whole[:-8], EXPLICIT, size=len(whole)), explicit=True)


@pytest.mark.parametrize("bits", [16, 32])
def test_long_pixels_in_big_endian_are_turned_round_in_parts(bits: int) -> None:
    count = 3 * CHUNK_BYTES // (bits // 8) + 1
    code = "H" if bits == 16 else "L"
    numbers = [n % 65521 for n in range(count)]
    pixels = struct.pack(f">{count}{code}", *numbers)
    given = make_ct(
        transfer_syntax=BIG, rows=1, columns=count & 0xFFFF, pixels=pixels, change={0x00280100: ("US", bits)}
    )
    pieces = write_native(scan(given, BIG), explicit=True)
    lazy = [piece for piece in pieces if isinstance(piece, Made)]
    assert [piece.length for piece in lazy] == [CHUNK_BYTES] * 3 + [bits // 8]
    written = joined(pieces)
    assert written.endswith(struct.pack(f"<{count}{code}", *numbers))
    assert scan(written, EXPLICIT).elements[0x7FE00010].vr == "OW"


def test_long_values_are_not_copied_and_many_short_ones_wait() -> None:
    header = scan(make_ct(pixels=bytes(CHUNK_BYTES)), EXPLICIT)
    (view,) = (each for each in write_native(header, explicit=True) if isinstance(each, memoryview))
    assert view.obj is header.data.obj
    many = b"".join(LITTLE.element(0x00091000 + n, "OB", bytes(4096)) for n in range(64))
    pieces = write_native(scan(many, EXPLICIT), explicit=False)
    assert all(isinstance(piece, Made) for piece in pieces[:-1])
    assert len(joined(pieces)) == len(many) - 64 * 4


def test_pydicom_reads_what_is_written() -> None:
    given = make_ct(
        patient_name="王^小东", charset="ISO_IR 192", python_charset="utf-8", transfer_syntax=BIG,
    )  # fmt: skip
    read = dcmread(BytesIO(part10(anew(given, BIG, explicit=False), transfer_syntax=IMPLICIT)))
    assert (read.PatientName, read.Rows, read.BitsStored) == ("王^小东", 4, 12)
    assert normal_digest(anew(given, BIG), EXPLICIT) == normal_digest(given, BIG)


def test_what_is_made_of_another_length_breaks_off() -> None:
    def fails() -> bytes:
        raise InvalidRequest("Decoding a frame was refused: it is cut off. Take it as stored.")

    with pytest.raises(Damaged, match="not of the size"):
        Made(length=3, make=lambda: b"1234").give()
    with pytest.raises(Damaged, match="it is cut off"):
        Made(length=3, make=fails).give()


def test_a_planted_length_that_is_not_the_value_s_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    true_head = Written.head
    monkeypatch.setattr(
        Written, "head", lambda how, tag, vr, length: true_head(how, tag, vr, length + 2 * (vr == "PN"))
    )
    with pytest.raises((AssertionError, InvalidRequest)):
        assert normal_digest(anew(make_ct()), EXPLICIT) == normal_digest(make_ct(), EXPLICIT)
