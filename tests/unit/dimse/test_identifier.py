from __future__ import annotations

import io

import pytest
from pydicom import dcmread

from node.catalogue.matching import QueryLevel
from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.dimse.identifier import failed_instances, read_identifier, write_identifier
from node.errors import InvalidRequest
from tests.kit.instances import encode, part10


def read(raw: bytes, syntax: str) -> dict[str, str]:
    data_set = dcmread(io.BytesIO(part10(raw, transfer_syntax=syntax)))
    return {element.keyword: str(element.value) for element in data_set}


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE])
@pytest.mark.parametrize("charset", ["", "GB18030", "GBK", "ISO_IR 192"])
def test_keys_are_written_in_the_remote_s_character_set(charset: str, syntax: str) -> None:
    raw = write_identifier(
        QueryLevel.STUDY, {"PatientName": "张*"}, charset=charset, explicit=syntax == EXPLICIT_LITTLE
    )
    found = read(raw, syntax)
    assert found["PatientName"] == "张*"
    assert found["SpecificCharacterSet"] == (charset or "ISO_IR 192")
    assert found["QueryRetrieveLevel"] == "STUDY"
    assert "StudyInstanceUID" in found


def test_ascii_keys_name_no_character_set_unless_one_is_known() -> None:
    assert "SpecificCharacterSet" not in read(
        write_identifier(QueryLevel.STUDY, {}, explicit=True), EXPLICIT_LITTLE
    )
    known = write_identifier(QueryLevel.STUDY, {}, charset="GB18030", explicit=True)
    assert read(known, EXPLICIT_LITTLE)["SpecificCharacterSet"] == "GB18030"


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE])
def test_numbers_are_written_as_numbers(syntax: str) -> None:
    given = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3", "Rows": "65535", "Columns": ""}
    raw = write_identifier(QueryLevel.INSTANCE, given, explicit=syntax == EXPLICIT_LITTLE)
    said = dcmread(io.BytesIO(part10(raw, transfer_syntax=syntax)))
    assert said.Rows == 65535
    assert said["Columns"].VM == 0
    assert "SpecificCharacterSet" not in said
    assert read_identifier(raw, syntax)["Rows"] == "65535"


def test_a_retrieval_names_uids_alone() -> None:
    raw = write_identifier(
        QueryLevel.SERIES,
        {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3"},
        explicit=True,
        returned=False,
    )
    assert set(read(raw, EXPLICIT_LITTLE)) == {"QueryRetrieveLevel", "StudyInstanceUID", "SeriesInstanceUID"}


@pytest.mark.parametrize(
    ("level", "keys", "charset", "words"),
    [
        (QueryLevel.SERIES, {}, "", "StudyInstanceUID must be given"),
        (QueryLevel.STUDY, {"Colour": "red"}, "", "Colour is no key"),
        (QueryLevel.STUDY, {"PatientName": "张"}, "ISO_IR 100", "does not hold"),
        (QueryLevel.STUDY, {"Rows": "512x"}, "", "Rows is not a number"),
        (QueryLevel.STUDY, {"Rows": "65536"}, "", "Rows is not a number"),
        (QueryLevel.STUDY, {"StudyDate": "今天"}, "GB18030", "StudyDate has characters"),
    ],
)
def test_what_cannot_be_asked_is_said(
    level: QueryLevel, keys: dict[str, str], charset: str, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        write_identifier(level, keys, charset=charset, explicit=True)


@pytest.mark.parametrize(
    ("label", "codec", "known", "want"),
    [
        ("GB18030", "gb18030", "", "张^三"),
        ("", "gb18030", "", "张^三"),
        ("ISO_IR 100", "gb18030", "GB18030", "张^三"),
        ("ISO_IR 100", "utf-8", "ISO_IR 192", "张^三"),
        ("ISO_IR 192", "gb18030", "", "张^三"),
        ("ISO_IR 192", "utf-8", "GB18030", "张^三"),
    ],
)
def test_names_are_read_also_under_a_wrong_label(label: str, codec: str, known: str, want: str) -> None:
    elements = [(0x00080005, "CS", label), (0x00100010, "PN", "张^三")][0 if label else 1 :]
    raw = encode(elements, EXPLICIT_LITTLE, charset=codec)
    assert read_identifier(raw, EXPLICIT_LITTLE, charset=known)["PatientName"] == want


def test_instances_that_failed_are_named() -> None:
    raw = encode([(0x00080058, "UI", "1.2.3\\1.2.4")], EXPLICIT_LITTLE)
    assert failed_instances(raw, EXPLICIT_LITTLE) == ("1.2.3", "1.2.4")
    assert failed_instances(b"nonsense", EXPLICIT_LITTLE) == ()
