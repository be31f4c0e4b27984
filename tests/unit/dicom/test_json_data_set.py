"""DICOM JSON written back as a data set: what goes out comes in again."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from node.dicom.header import scan
from node.dicom.json_data_set import data_set_of
from node.dicom.json_model import bulk_value, to_json
from node.dicom.normal import normal_digest
from node.dicom.part10 import read_part10
from node.dicom.syntax import EXPLICIT_LITTLE, is_encapsulated
from node.errors import InvalidRequest
from tests.kit.instances import make_ct

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "dicom"


def back(data_set: bytes, transfer_syntax: str = EXPLICIT_LITTLE) -> bytes:
    """Write a data set as JSON, and that as a data set."""
    header = scan(data_set, transfer_syntax)
    model = to_json(header, bulk=lambda path: path)
    pieces = data_set_of(model, bulk=lambda path: [bulk_value(header, path)], encapsulated=lambda _uri: False)
    return b"".join(map(bytes, pieces))


def test_a_plain_instance_comes_back_with_the_same_content() -> None:
    data_set = make_ct(patient_name="王^小东", charset="ISO_IR 192", python_charset="utf-8")
    assert normal_digest(back(data_set), EXPLICIT_LITTLE) == normal_digest(data_set, EXPLICIT_LITTLE)


@pytest.mark.parametrize("folder", ["o01-chest-ct-lungfcp-0001", "o04-mr-siemens-t1-hfs", "o21-pr-sr-op"])
def test_real_instances_say_the_same_in_json_again(folder: str) -> None:
    path = sorted(each for each in (DATA / folder).rglob("*") if each.is_file())[0]
    file = read_part10(path.read_bytes())
    if is_encapsulated(file.transfer_syntax):
        pytest.fail("choose a native one")
    once = to_json(scan(file.data_set, file.transfer_syntax), bulk=str)
    again = to_json(scan(back(bytes(file.data_set), file.transfer_syntax), EXPLICIT_LITTLE), bulk=str)
    once["00080005"] = again["00080005"]
    assert again == once


@pytest.mark.parametrize("number", [1 / 3, -math.pi * 1e10, 1e-300, 123456789012345678.0, 0.1])
def test_a_decimal_string_fits_its_sixteen_characters(number: float) -> None:
    (piece, value) = data_set_of(
        {"00281052": {"vr": "DS", "Value": [number]}}, bulk=lambda _: [], encapsulated=lambda _: False
    )[-2:]
    text = bytes(value).decode().strip()
    assert len(text) <= 16
    assert float(text) == pytest.approx(number, rel=1e-8)
    assert piece


@pytest.mark.parametrize(
    "element",
    [
        {"00280010": {"vr": "US", "Value": ["many"]}},
        {"00280010": {"vr": "US", "Value": [-1]}},
        {"00280010": {"vr": "US", "Value": 4}},
        {"00100010": {"vr": "PN", "Value": ["Wang"]}},
        {"00090010": {"vr": "AT", "Value": ["0010"]}},
        {"00090010": {"vr": "OB", "InlineBinary": "???"}},
        {"00090010": {"vr": "LO", "Value": [{"a": 1}]}},
        {"00090010": {"vr": "LO", "Value": ["x" * 70_000]}},
        {"00090010": {"vr": "SQ", "Value": ["x"]}},
        {"00090010": {"vr": "SQ", "Value": {}}},
        {"00090010": {"vr": "ZZ", "Value": [1]}},
        {"00090010": []},
        {"0009": {"vr": "LO"}},
    ],
)
def test_what_is_no_dicom_json_is_refused_in_words(element: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match="Reading DICOM JSON was refused"):
        data_set_of(element, bulk=lambda _: [], encapsulated=lambda _: False)


def test_nesting_has_its_bound() -> None:
    nested: dict[str, object] = {}
    for _ in range(40):
        nested = {"00081140": {"vr": "SQ", "Value": [nested]}}
    with pytest.raises(InvalidRequest, match="nested"):
        data_set_of(nested, bulk=lambda _: [], encapsulated=lambda _: False)
