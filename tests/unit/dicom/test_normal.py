"""Two ways of writing one content have one digest; two contents never have."""

from __future__ import annotations

from itertools import combinations

import pytest

from node.dicom.normal import normal_digest
from tests.kit.instances import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    LITTLE,
    UNDEFINED,
    Encoding,
    encapsulate,
    make_ct,
)

PLAIN = normal_digest(make_ct(), EXPLICIT)
REFERENCED = 0x00081140


def with_sequence(how: Encoding, *, delimited: bool, name: str = "A^B") -> bytes:
    return how.sequence(
        REFERENCED, how.item(how.element(0x00100010, "PN", name), delimited=delimited), delimited=delimited
    )


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG, DEFLATED])
def test_encoding_makes_no_difference(syntax: str) -> None:
    assert normal_digest(make_ct(transfer_syntax=syntax), syntax) == PLAIN


@pytest.mark.parametrize("how", [Encoding(), Encoding(explicit=False), Encoding(little=False)], ids=str)
@pytest.mark.parametrize("delimited", [True, False])
def test_lengths_of_sequences_make_no_difference(how: Encoding, delimited: bool) -> None:
    syntax = IMPLICIT if not how.explicit else EXPLICIT if how.little else BIG
    assert normal_digest(with_sequence(how, delimited=delimited), syntax) == normal_digest(
        with_sequence(LITTLE, delimited=False), EXPLICIT
    )


def test_group_lengths_and_padding_make_no_difference() -> None:
    padded = make_ct(change={0x00080000: ("UL", 500), 0x00280000: ("UL", 1), 0x00081030: ("LO", "Chest   ")})
    assert normal_digest(padded + LITTLE.element(0xFFFCFFFC, "OB", bytes(50)), EXPLICIT) == PLAIN


def test_character_set_of_equal_text_makes_no_difference() -> None:
    digests = {
        normal_digest(make_ct(patient_name="王^小东", charset=label, python_charset=codec), EXPLICIT)
        for label, codec in (
            ("ISO_IR 192", "utf-8"),
            ("GB18030", "gb18030"),
            ("GBK", "gbk"),
            ("", "gbk"),
            ("", "utf-8"),
        )
    }
    assert len(digests) == 1
    assert PLAIN not in digests


def test_one_bit_in_any_byte_makes_a_difference_unless_it_is_padding_or_a_vr() -> None:
    """The planted fault of this digest: whatever a flipped bit changes in content must show."""
    data = make_ct(rows=1, columns=2, patient_name="Zhang^Sa", patient_id="A-17AB")
    digest = normal_digest(data, EXPLICIT)
    flipped = 0
    for name in (b"A-17AB", b"Zhang^Sa", b"2.25.1.1.1", b"19610405", b"20260302", b"CHEST"):
        start = data.index(name)
        for at in range(start, start + len(name)):
            other = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            assert normal_digest(other, EXPLICIT) != digest, name
            flipped += 1
    assert flipped > 40
    for at in range(len(data) - 4, len(data)):
        assert normal_digest(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], EXPLICIT) != digest


@pytest.mark.parametrize(
    "tag", [0x00100010, 0x00100020, 0x00100030, 0x0020000D, 0x0020000E, 0x00080018, 0x00200013, 0x00081030]
)
def test_a_missing_attribute_is_another_content(tag: int) -> None:
    assert normal_digest(make_ct(change={tag: None}), EXPLICIT) != PLAIN


def test_empty_is_not_absent() -> None:
    assert normal_digest(make_ct(change={0x00104000: ("LT", "")}), EXPLICIT) != PLAIN


def test_private_binary_values_are_compared_to_the_bit() -> None:
    values = [b"\x20\x00", b"\x00\x00", b"\x20\x20", b"", b"\x00\x00\x00\x00"]
    digests = {normal_digest(make_ct(change={0x00091001: ("UN", value)}), EXPLICIT) for value in values}
    assert len(digests) == len(values)


def test_where_an_element_stands_is_part_of_the_content() -> None:
    outside = LITTLE.sequence(REFERENCED, LITTLE.item()) + LITTLE.element(0x00100010, "PN", "A^B")
    inside = with_sequence(LITTLE, delimited=False)
    two_items = LITTLE.sequence(
        REFERENCED, LITTLE.item(), LITTLE.item(LITTLE.element(0x00100010, "PN", "A^B"))
    )
    digests = [normal_digest(data, EXPLICIT) for data in (outside, inside, two_items)]
    assert all(a != b for a, b in combinations(digests, 2))


def test_compressed_pixels_are_compared_as_they_stand() -> None:
    def compressed(*fragments: bytes, syntax: str = JPEG_BASELINE) -> str:
        value = encapsulate(*fragments)
        data = make_ct(change={0x7FE00010: None}) + LITTLE.element(0x7FE00010, "OB", value, length=UNDEFINED)
        return normal_digest(data, syntax)

    assert compressed(b"\xff\xd8ab") == compressed(b"\xff\xd8ab")
    assert compressed(b"\xff\xd8ab") != compressed(b"\xff\xd8", b"ab")
    assert compressed(b"\xff\xd8ab") != compressed(b"\xff\xd8ab", syntax="1.2.840.10008.1.2.4.70")


def test_text_that_its_character_set_cannot_read_is_compared_as_bytes() -> None:
    digests = {
        normal_digest(make_ct(charset="ISO_IR 192", change={0x00100010: ("PN", raw)}), EXPLICIT)
        for raw in (b"\xff\xfe", b"\xfe\xff")
    }
    assert len(digests) == 2
