"""DICOM JSON as a viewer reads it."""

from __future__ import annotations

import base64
import json

import pytest

from node.canonical import Json
from node.dicom.header import scan
from node.dicom.json_model import bulk_value, to_json
from node.errors import InvalidRequest, NotFound
from tests.kit.instances import BIG, DEFLATED, EXPLICIT, IMPLICIT, LITTLE, Value, gradient, make_ct

BULK = "bulk/"


def written(syntax: str = EXPLICIT, **change: tuple[str, Value]) -> dict[str, Json]:
    elements = {int(tag.removeprefix("t"), 16): entry for tag, entry in change.items()}
    data = make_ct(transfer_syntax=syntax, change=elements)
    return to_json(scan(data, syntax), bulk=lambda path: BULK + path)


def test_values_are_written_by_their_vr() -> None:
    model = written(
        t00180050=("DS", "1.250"),
        t00200032=("DS", "-1\\2.5\\3e1"),
        t00280008=("IS", "3"),
        t00280009=("AT", (0x18, 0x1063)),
    )
    assert model["00180050"] == {"vr": "DS", "Value": [1.25]}
    assert model["00200032"] == {"vr": "DS", "Value": [-1, 2.5, 30.0]}
    assert model["00280008"] == {"vr": "IS", "Value": [3]}
    assert model["00280009"] == {"vr": "AT", "Value": ["00181063"]}
    assert model["00280010"] == {"vr": "US", "Value": [4]}
    assert model["00080018"] == {"vr": "UI", "Value": ["2.25.1.1.1"]}


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG, DEFLATED])
def test_encoding_does_not_show(syntax: str) -> None:
    assert written(syntax) == written(EXPLICIT)


def test_name_is_written_by_component() -> None:
    data = make_ct(patient_name="Wang^XiaoDong=王^小东=", charset="GB18030", python_charset="gb18030")
    model = to_json(scan(data, EXPLICIT), bulk=str)
    assert model["00100010"] == {
        "vr": "PN",
        "Value": [{"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}],
    }
    assert model["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}


def test_guessed_text_is_labelled_as_it_is_written() -> None:
    model = to_json(scan(make_ct(patient_name="王^小东", python_charset="gbk"), EXPLICIT), bulk=str)
    assert model["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "王^小东"}]}
    assert model["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}


def test_empty_values_are_left_out_and_gaps_are_null() -> None:
    model = written(t00080008=("CS", "ORIGINAL\\\\AXIAL"), t00104000=("LT", ""))
    assert model["00080008"] == {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]}
    assert model["00104000"] == {"vr": "LT"}
    assert model["00080050"] == {"vr": "SH"}


def test_backslash_in_a_long_text_separates_nothing() -> None:
    assert written(t00104000=("LT", "a\\b"))["00104000"] == {"vr": "LT", "Value": ["a\\b"]}


def test_pixels_and_large_values_are_addresses_and_small_ones_inline() -> None:
    model = written(t00091001=("OB", b"\x01\x02"), t00091002=("OB", bytes(5000)))
    assert model["7FE00010"] == {"vr": "OW", "BulkDataURI": BULK + "7FE00010"}
    assert model["00091002"] == {"vr": "OB", "BulkDataURI": BULK + "00091002"}
    assert model["00091001"] == {"vr": "OB", "InlineBinary": base64.b64encode(b"\x01\x02").decode()}


def test_numbers_that_json_has_not_are_words() -> None:
    model = written(t00189073=("FD", (float("nan"), float("inf"), 0.5)), t00180050=("DS", "thin"))
    assert model["00189073"] == {"vr": "FD", "Value": ["NaN", "Infinity", 0.5]}
    assert model["00180050"] == {"vr": "DS", "Value": ["thin"]}
    json.dumps(model, allow_nan=False)


def test_sequences_nest_and_their_bulk_is_found_by_path() -> None:
    inner = LITTLE.element(0x00091002, "OB", bytes(range(256)) * 8)
    data = LITTLE.sequence(
        0x00081140, LITTLE.item(), LITTLE.item(LITTLE.element(0x00081150, "UI", "1.2"), inner)
    )
    header = scan(data, EXPLICIT)
    model = to_json(header, bulk=lambda path: BULK + path)
    items = model["00081140"]["Value"]  # type: ignore[index,call-overload]
    assert items[0] == {}
    assert items[1]["00091002"]["BulkDataURI"] == BULK + "00081140/1/00091002"
    assert bulk_value(header, "00081140/1/00091002") == bytes(range(256)) * 8


@pytest.mark.parametrize(
    "path", ["", "00081140", "00081140/7/00091002", "00081140/x/00091002", "7FE00010/0/00091002", "../etc"]
)
def test_bulk_that_is_not_there_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        bulk_value(scan(LITTLE.sequence(0x00081140, LITTLE.item()), EXPLICIT), path)


def test_bulk_of_big_endian_data_comes_in_little_endian() -> None:
    header = scan(make_ct(transfer_syntax=BIG), BIG)
    assert bulk_value(header, "7FE00010") == gradient(4, 4)


def test_beginning_of_a_data_set_is_refused() -> None:
    data = make_ct(rows=200, columns=200)
    with pytest.raises(InvalidRequest, match="only its beginning"):
        to_json(scan(data[:4096], EXPLICIT, size=len(data)), bulk=str)
