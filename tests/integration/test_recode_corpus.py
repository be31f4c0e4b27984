"""Texts of real files written in other character sets: the same content, with pydicom and dcmtk as witnesses."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from node.dicom.normal import normal_digest
from node.dicom.part10 import Part10, read_part10
from node.dicom.recode import recode
from node.errors import GridError
from tests.kit.instances import EXPLICIT, make_ct, part10

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "dicom"
CLUNIE = sorted((CORPUS / "o26-charsets-clunie").glob("*"))


def rewritten(file: Part10, charset: str) -> tuple[bytes, bool, bool]:
    recoded = recode(file.data_set, file.transfer_syntax, charset)
    return b"".join(recoded.pieces), recoded.changed, recoded.held


@pytest.mark.parametrize("path", CLUNIE, ids=lambda path: path.name)
@pytest.mark.parametrize("charset", ["ISO_IR 192", "GB18030"])
def test_each_of_the_character_sets_becomes_another(path: Path, charset: str) -> None:
    given = read_part10(path.read_bytes())
    raw, changed, held = rewritten(given, charset)
    assert held
    before = dcmread(path)
    label = before.get("SpecificCharacterSet")
    assert changed == (label != charset)
    read = dcmread(BytesIO(part10(raw, transfer_syntax=given.transfer_syntax)))
    assert str(read.PatientName) == str(before.PatientName)
    assert normal_digest(raw, given.transfer_syntax) == normal_digest(
        bytes(given.data_set), given.transfer_syntax
    )


@pytest.mark.peer
def test_dcmtk_reads_the_names_that_were_written(tmp_path: Path) -> None:
    for path in CLUNIE:
        given = read_part10(path.read_bytes())
        raw, _, _ = rewritten(given, "ISO_IR 192")
        (tmp_path / path.name).write_bytes(part10(raw, transfer_syntax=given.transfer_syntax))
        dump = subprocess.run(
            ["dcmdump", "+P", "PatientName", str(tmp_path / path.name)],
            check=True,
            capture_output=True,
            timeout=30,
        ).stdout.decode("utf-8")
        assert str(dcmread(path).PatientName) in dump


@pytest.mark.peer
@pytest.mark.parametrize("charset", ["GB18030", "GBK", "ISO 2022 IR 58", "ISO_IR 192"])
def test_dcmtk_reads_a_chinese_name_in_each_set(tmp_path: Path, charset: str) -> None:
    given = make_ct(patient_name="Zhang^San=张^三", charset="GB18030", python_charset="gb18030")
    (tmp_path / "one.dcm").write_bytes(part10(b"".join(recode(given, EXPLICIT, charset).pieces)))
    dump = subprocess.run(
        ["dcmdump", "+U8", "+P", "PatientName", str(tmp_path / "one.dcm")],
        check=True,
        capture_output=True,
        timeout=30,
    ).stdout.decode("utf-8")
    assert "[Zhang^San=张^三]" in dump


@pytest.mark.parametrize("charset", ["ISO_IR 192", "GB18030", "GBK", "ISO 2022 IR 58", "ISO_IR 100"])
def test_every_file_of_the_corpus_says_the_same_in_another_set(charset: str) -> None:
    looked, changed_count = 0, 0
    for path in sorted(CORPUS.rglob("*")):
        if not path.is_file() or path.stat().st_size > 4 << 20:
            continue
        try:
            given = read_part10(path.read_bytes())
            raw, changed, held = rewritten(given, charset)
            before = normal_digest(given.data_set, given.transfer_syntax)
        except GridError:
            continue
        looked += 1
        if not changed:
            assert raw == given.data_set
            continue
        changed_count += 1
        assert held
        assert normal_digest(raw, given.transfer_syntax) == before, path.name
    assert looked > 500
    assert changed_count > 30
