"""Identifiers: read as dcmtk, pynetdicom and Chinese workstations write them, and refused when they are none."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.catalogue.matching import QueryLevel
from node.dimse.query_identifier import DoesNotFit, read_identifier, write_elements, write_uid_list
from node.dimse.query_keys import KEYS
from node.errors import GridError
from tests.kit.instances import EXPLICIT, IMPLICIT, LITTLE, Encoding


def written(*elements: tuple[int, str, str | bytes], syntax: str = EXPLICIT, codec: str = "ascii") -> bytes:
    encoding = Encoding(explicit=syntax == EXPLICIT)
    return b"".join(encoding.element(tag, vr, value, charset=codec) for tag, vr, value in sorted(elements))


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_keys_are_read_with_their_values(syntax: str) -> None:
    content = written(
        (0x00080052, "CS", "STUDY"), (0x00100020, "LO", "A-17"), (0x00100010, "PN", ""), syntax=syntax
    )
    asked = read_identifier(content, syntax)
    assert asked.level is QueryLevel.STUDY
    assert asked.filters == {"PatientID": "A-17", "PatientName": ""}
    assert asked.unknown == 0


@pytest.mark.parametrize(
    ("label", "codec"), [("GB18030", "gb18030"), ("", "gbk"), ("ISO_IR 192", "utf-8"), ("", "utf-8")]
)
def test_chinese_names_are_read_labelled_or_not(label: str, codec: str) -> None:
    content = written(
        (0x00080005, "CS", label), (0x00080052, "CS", "STUDY"), (0x00100010, "PN", "王小明*"), codec=codec
    )
    assert read_identifier(content, EXPLICIT).filters["PatientName"] == "王小明*"


def test_numbers_and_lists_of_uids_come_as_texts() -> None:
    content = written(
        (0x00080052, "CS", "IMAGE"), (0x0020000D, "UI", "1.2\\1.3"), (0x00280010, "US", b"\0\2"), (0x00280011, "US", b"")
    )  # fmt: skip
    assert read_identifier(content, EXPLICIT).filters == {
        "StudyInstanceUID": "1.2\\1.3",
        "Rows": "512",
        "Columns": "",
    }


def test_what_is_not_known_is_counted_and_sequences_among_it() -> None:
    item = LITTLE.item(LITTLE.element(0x00080100, "SH", "X"))
    content = written((0x00080052, "CS", "STUDY"), (0x00104000, "LT", "words"), (0x00321060, "LO", ""))
    content += LITTLE.sequence(0x00321064, item)
    assert read_identifier(content, EXPLICIT).unknown == 3


@pytest.mark.parametrize(
    "content",
    [b"", b"\x08", written((0x00100020, "LO", "A")), written((0x00080052, "CS", "ROOM")), b"\xff" * 40],
    ids=["empty", "cut", "no-level", "no-such-level", "noise"],
)
def test_what_is_no_identifier_is_refused_with_words(content: bytes) -> None:
    with pytest.raises(DoesNotFit, match="was refused"):
        read_identifier(content, EXPLICIT)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_being_refused(content: bytes) -> None:
    head = written((0x00080052, "CS", "STUDY"))
    with suppress(GridError):
        assert read_identifier(head + content, EXPLICIT).level is QueryLevel.STUDY


@pytest.mark.parametrize("explicit", [True, False])
def test_answers_are_read_by_others(explicit: bool) -> None:
    content = write_elements(
        [(0x00080052, b"CS", b"STUDY "), (0x00100020, b"LO", b"A-17"), (0x00280010, b"US", b"\0\2")],
        explicit=explicit,
    )
    found = _read(content, explicit)
    assert (found.QueryRetrieveLevel, found.PatientID, found.Rows) == ("STUDY", "A-17", 512)


def test_a_list_of_uids_longer_than_its_length_can_say_is_cut_between_uids() -> None:
    uids = [f"2.25.{10**37 + n}" for n in range(2000)]
    content = write_uid_list(0x00080058, uids, explicit=True)
    found = _read(content, True)
    assert list(found.FailedSOPInstanceUIDList) == uids[: len(found.FailedSOPInstanceUIDList)]
    assert len(found.FailedSOPInstanceUIDList) > 1000
    assert (
        len(_read(write_uid_list(0x00080058, uids, explicit=False), False).FailedSOPInstanceUIDList) == 2000
    )


def test_every_key_says_its_vr_as_the_standard_does() -> None:
    for tag, key in KEYS.items():
        assert pydicom.datadict.dictionary_VR(tag) == key.vr.decode()
        assert pydicom.datadict.keyword_for_tag(tag) == key.keyword


def _read(content: bytes, explicit: bool) -> pydicom.Dataset:
    from pynetdicom.dsutils import decode

    return decode(BytesIO(content), not explicit, True)
