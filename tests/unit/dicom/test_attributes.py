"""What the catalogue reads of an instance."""

from __future__ import annotations

import pytest

from node.dicom.attributes import Attributes, read_attributes
from node.dicom.header import scan
from tests.kit.instances import BIG, DEFLATED, EXPLICIT, IMPLICIT, Value, make_ct


def read(
    syntax: str = EXPLICIT, *, python_charset: str = "ascii", charset: str = "", **change: tuple[str, Value]
) -> Attributes:
    elements = {int(tag.removeprefix("t"), 16): entry for tag, entry in change.items()}
    data = make_ct(transfer_syntax=syntax, change=elements, python_charset=python_charset, charset=charset)
    return read_attributes(scan(data, syntax))


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_every_attribute_is_read_in_every_native_syntax(syntax: str) -> None:
    attributes = read(syntax)
    assert attributes == read(EXPLICIT)
    assert (attributes.study.patient_name, attributes.study.patient_id) == ("Zhang^San", "A-17")
    assert (attributes.study.sex, attributes.study.birth_date, attributes.study.age) == (
        "M",
        "19610405",
        "064Y",
    )
    assert (attributes.series.modality, attributes.series.number, attributes.series.body_part) == (
        "CT",
        2,
        "CHEST",
    )
    assert (attributes.instance.rows, attributes.instance.columns, attributes.instance.frames) == (4, 4, 1)


def test_a_study_id_is_read_and_is_empty_where_none_stands() -> None:
    assert (read(t00200010=("SH", " CT4711 ")).study.study_id, read().study.study_id) == ("CT4711", "")


def test_chinese_name_without_a_label_is_read_and_the_guess_told() -> None:
    attributes = read(python_charset="gbk", t00100010=("PN", "王^小东"))
    assert attributes.study.patient_name == "王^小东"
    assert attributes.guessed_charset == "gb18030"


def test_empty_components_at_the_end_of_a_name_are_dropped() -> None:
    assert read(t00100010=("PN", "Zhang^San^^^=")).study.patient_name == "Zhang^San"


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("+3", 3), ("007 ", 7), ("1A", None), ("1_0", None), ("", None), ("9" * 40, None)],
)
def test_instance_number_is_a_whole_number_or_none(text: str, number: int | None) -> None:
    assert read(t00200013=("IS", text)).instance.number == number


def test_frames_are_at_least_one() -> None:
    assert read(t00280008=("IS", "0")).instance.frames == 1
    assert read(t00280008=("IS", "25")).instance.frames == 25


def test_control_characters_do_not_reach_the_catalogue() -> None:
    assert read(t00081030=("LO", "Chest\r\nlow\x1b[31m\x00dose")).study.description == "Chest low [31m dose"


def test_long_ids_are_shortened_without_becoming_one() -> None:
    first, second = (read(t00100020=("LO", "7" * 5000 + end)).study.patient_id for end in "12")
    assert len(first) < 300
    assert first != second


def test_text_that_reads_as_a_blob_literal_can_be_stored() -> None:
    assert "'" not in read(t00100010=("PN", "x'41'")).study.patient_name
    assert read(t00100010=("PN", "O'Neill")).study.patient_name == "O'Neill"
