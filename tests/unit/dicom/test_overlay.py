"""A corrected data set says the new words in its own encoding, what was, and all else as before."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from node.dicom.header import scan
from node.dicom.overlay import ORIGINAL_ATTRIBUTES, is_too_short, overlaid
from node.errors import InvalidRequest
from tests.kit.instances import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    UNDEFINED,
    encapsulate,
    encoding_of,
    make_ct,
    part10,
)
from tests.kit.overlaying import IDENTITY, corrected, differences, rescanned, whole

NAMED = {"00100010", "00100020", "00100030", "00100040", "04000561"}


def parsed(raw: bytes, syntax: str = EXPLICIT) -> Dataset:
    return dcmread(BytesIO(part10(raw, transfer_syntax=syntax)))


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
def test_only_what_is_named_differs_in_every_syntax(syntax: str) -> None:
    header = scan(make_ct(transfer_syntax=syntax), syntax)
    raw = whole(header, header.data, IDENTITY)
    after = rescanned(raw, header)
    assert differences(header, after) == NAMED
    data_set = parsed(raw, EXPLICIT if syntax == DEFLATED else syntax)
    assert (data_set.PatientID, str(data_set.PatientName)) == ("B-42", "Wang^Wu")
    (item,) = data_set.OriginalAttributesSequence
    (was,) = item.ModifiedAttributesSequence
    assert (was.PatientID, str(was.PatientName), was.PatientBirthDate) == ("A-17", "Zhang^San", "19610405")
    assert (item.ModifyingSystem, item.ReasonForTheAttributeModification) == ("alpha", "CORRECT")


def test_what_is_said_already_needs_no_correction() -> None:
    header = scan(make_ct(), EXPLICIT)
    same = {0x00100010: "Zhang^San^^", 0x00100020: "A-17", 0x00080050: ""}
    assert overlaid(header, corrected(same), size=len(header.data)) is None


def test_pixels_stay_in_the_pack() -> None:
    data_set = make_ct(rows=256, columns=256)
    header = scan(data_set[: 16 << 10], EXPLICIT, size=len(data_set))
    assert not is_too_short(header, corrected(IDENTITY))
    parts = overlaid(header, corrected(IDENTITY), size=len(data_set))
    assert parts is not None
    assert [type(part).__name__ for part in parts] == ["bytes", "Span"]
    pixels = data_set[-256 * 256 * 2 :]
    assert whole(header, data_set, IDENTITY).endswith(pixels)


@pytest.mark.parametrize(("charset", "codec"), [("GB18030", "gb18030"), ("ISO_IR 192", "utf-8")])
def test_texts_stay_in_a_character_set_that_holds_the_new_ones(charset: str, codec: str) -> None:
    header = scan(make_ct(charset=charset, python_charset=codec, description="胸部平扫"), EXPLICIT)
    raw = whole(header, header.data, {0x00100010: "Wang^Wu=王^五"})
    assert "王^五".encode(codec) in raw
    data_set = parsed(raw)
    assert (data_set.SpecificCharacterSet, data_set.StudyDescription) == (charset, "胸部平扫")
    assert str(data_set.PatientName) == "Wang^Wu=王^五"


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize("delimited", [True, False])
def test_every_text_at_every_depth_goes_to_utf8_where_the_character_set_is_too_small(
    syntax: str, delimited: bool
) -> None:
    how = encoding_of(syntax)
    private = how.element(0x00091001, "LO", b"\xe9\xe9") if how.explicit else b""
    inner = how.item(
        how.element(0x00080104, "LO", "mâchoire", charset="latin-1"),
        how.sequence(
            0x00081140,
            how.item(how.element(0x0008103E, "LO", "série", charset="latin-1")),
            delimited=delimited,
        ),
        delimited=delimited,
    )
    nested = inner + how.mark(0xE0DD) * delimited
    data_set = make_ct(
        charset="ISO_IR 100",
        python_charset="latin-1",
        description="Crâne",
        transfer_syntax=syntax,
        change={0x00082218: ("SQ", b""), 0x00321032: ("PN", "André")},
    )
    at = data_set.index(how.element(0x00082218, "SQ", b""))
    empty = how.element(0x00082218, "SQ", b"")
    written = how.element(0x00082218, "SQ", nested, length=UNDEFINED if delimited else None)
    data_set = data_set[:at] + written + private + data_set[at + len(empty) :]
    header = scan(data_set, syntax)
    raw = whole(header, header.data, {0x00100010: "王^五", 0x00100020: "B-42"})
    after = scan(raw, syntax)
    assert differences(header, after) == {"00100010", "00100020", "04000561"}
    ds = parsed(raw, syntax)
    assert ds.SpecificCharacterSet == "ISO_IR 192"
    assert (ds.StudyDescription, str(ds.PatientName)) == ("Crâne", "王^五")
    assert ds[0x00082218].value[0].CodeMeaning == "mâchoire"
    assert ds[0x00082218].is_undefined_length is delimited
    assert str(ds.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientName) == "Zhang^San"


def test_chinese_without_a_label_is_labelled() -> None:
    data_set = make_ct(patient_name="张^三", description="胸部平扫", python_charset="gbk")
    header = scan(data_set, EXPLICIT)
    ds = parsed(whole(header, header.data, {0x00100010: "王^五"}))
    assert (ds.SpecificCharacterSet, ds.StudyDescription) == ("ISO_IR 192", "胸部平扫")
    assert str(ds.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientName) == "张^三"


@pytest.mark.parametrize("delimited", [True, False])
def test_an_item_is_added_to_those_that_are_there(delimited: bool) -> None:
    how = encoding_of(EXPLICIT)
    earlier = how.item(
        how.sequence(0x04000550, how.item(how.element(0x00100020, "LO", "OLD"))),
        how.element(0x04000562, "DT", "2020"),
    )
    data_set = make_ct()
    at = data_set.index(b"\xe0\x7f\x10\x00")
    there = how.sequence(ORIGINAL_ATTRIBUTES, earlier, delimited=delimited)
    header = scan(data_set[:at] + there + data_set[at:], EXPLICIT)
    items = parsed(whole(header, header.data, IDENTITY)).OriginalAttributesSequence
    assert [item.ModifiedAttributesSequence[0].PatientID for item in items] == ["OLD", "A-17"]


def test_group_lengths_are_right_again() -> None:
    data_set = make_ct(change={0x00100000: ("UL", 0), 0x00080000: ("UL", 7)})
    header = scan(data_set, EXPLICIT)
    after = scan(whole(header, header.data, {0x00100010: "A Much Longer Name^Than Before"}), EXPLICIT)
    start = after.elements[0x00100000]
    next_group = min(e.start for tag, e in after.elements.items() if tag > 0x0010FFFF)
    assert after.value(0x00100000) == (next_group - start.offset - 4).to_bytes(4, "little")
    assert after.value(0x00080000) == (7).to_bytes(4, "little")  # nothing of that group was touched


def test_a_beginning_that_does_not_reach_is_refused_not_guessed() -> None:
    data_set = make_ct(rows=256, columns=256, charset="ISO_IR 100")
    short = scan(data_set[:200], EXPLICIT, size=len(data_set))
    with pytest.raises(InvalidRequest, match="Read more"):
        overlaid(short, corrected(IDENTITY), size=len(data_set))
    beginning = scan(data_set[: 16 << 10], EXPLICIT, size=len(data_set))
    assert not is_too_short(beginning, corrected({**IDENTITY, 0x00100010: "王"}))
    followed = data_set + encoding_of(EXPLICIT).element(0xFFFCFFFC, "OB", b"")
    beginning = scan(followed[: 16 << 10], EXPLICIT, size=len(followed))
    assert not is_too_short(beginning, corrected(IDENTITY))
    assert is_too_short(beginning, corrected({0x00100010: "王"}))


def test_a_beginning_of_compressed_pixels_is_enough() -> None:
    stream = encapsulate(b"\xff\xd8" + bytes(100_000))
    data_set = make_ct(transfer_syntax=JPEG_BASELINE, pixels=b"")
    at = data_set.index(b"\xe0\x7f\x10\x00")
    how = encoding_of(EXPLICIT)
    data_set = data_set[:at] + how.element(0x7FE00010, "OB", stream, length=UNDEFINED)
    header = scan(data_set[: 16 << 10], JPEG_BASELINE, size=len(data_set))
    assert not is_too_short(header, corrected(IDENTITY))
    after = scan(whole(header, data_set, IDENTITY), JPEG_BASELINE)
    assert differences(scan(data_set, JPEG_BASELINE), after) == NAMED


@pytest.mark.parametrize("values", [IDENTITY, {0x00100010: "王^五", 0x00081030: "头颅平扫"}])
def test_dciodvfy_finds_no_error_that_was_not_there(tmp_path: Path, values: dict[int, str]) -> None:
    data_set = make_ct(charset="ISO_IR 100")
    header = scan(data_set, EXPLICIT)
    assert _errors(tmp_path, whole(header, header.data, values)) <= _errors(tmp_path, data_set)


def test_dciodvfy_would_find_an_error(tmp_path: Path) -> None:
    data_set = make_ct(charset="ISO_IR 100")
    header = scan(data_set, EXPLICIT)
    spoiled = whole(header, header.data, IDENTITY).replace(b"CORRECT ", b"correct ")
    assert _errors(tmp_path, spoiled) - _errors(tmp_path, data_set)


def _errors(folder: Path, data_set: bytes) -> set[str]:
    path = folder / "one.dcm"
    path.write_bytes(part10(data_set))
    answer = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    return {line for line in answer.stderr.splitlines() if line.startswith("Error")}
