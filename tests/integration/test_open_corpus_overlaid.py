"""Every file of the open corpus corrected: pydicom reads it, only what is named differs, dciodvfy has no new complaint."""

from __future__ import annotations

import subprocess
import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest

from node.dicom.header import Header, scan
from node.dicom.overlay import is_too_short, overlaid
from node.dicom.part10 import PREAMBLE, read_part10, write_file_meta
from node.dicom.syntax import DEFLATED, EXPLICIT_LITTLE
from node.errors import GridError
from tests.integration.test_open_corpus import files
from tests.kit.overlaying import IDENTITY, corrected, differences, joined, rescanned, whole

NAMED = {"00100010", "00100020", "00100030", "00100040", "04000561", "00080005"}
CHINESE = {**IDENTITY, 0x00100010: "Wang^Wu=王^五"}


def read() -> list[tuple[Path, Header]]:
    found = []
    for path, _ in files():
        try:
            parts = read_part10(path.read_bytes())
            found.append((path, scan(parts.data_set, parts.transfer_syntax)))
        except GridError:
            continue
    return found


@pytest.mark.parametrize("values", [IDENTITY, CHINESE], ids=["ascii", "chinese"])
def test_only_what_is_named_differs(values: dict[int, str]) -> None:
    from pydicom import dcmread

    compared = 0
    for path, header in read():
        raw = whole(header, header.data, values)
        after = rescanned(raw, header)
        assert differences(header, after) <= NAMED, path.name
        syntax = EXPLICIT_LITTLE if header.transfer_syntax == DEFLATED else header.transfer_syntax
        meta = write_file_meta(sop_class="1.2", sop_uid="1.3", transfer_syntax=syntax)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = dcmread(BytesIO(PREAMBLE + meta + raw), force=True)
            assert (theirs.PatientID, str(theirs.PatientName)) == ("B-42", values[0x00100010]), path.name
            assert theirs.OriginalAttributesSequence[-1].ModifyingSystem == "alpha", path.name
        compared += 1
    assert compared > 770


def test_a_beginning_gives_the_same_bytes() -> None:
    compared = 0
    for path, header in read():
        data, syntax = bytes(header.data), header.transfer_syntax.removesuffix(".99")
        beginning = scan(data[: 64 << 10], syntax, size=len(data))
        if beginning.whole or is_too_short(beginning, corrected(IDENTITY)):
            continue
        parts = overlaid(beginning, corrected(IDENTITY), size=len(data))
        assert joined(parts, data) == whole(scan(data, syntax), data, IDENTITY), path.name
        compared += 1
    assert compared > 70


def test_dciodvfy_has_no_new_complaint(tmp_path: Path) -> None:
    """One file of each folder and syntax: it takes its time."""
    kinds = {(path.parent, header.transfer_syntax): (path, header) for path, header in read()}

    def new_errors(pair: tuple[Path, Header]) -> tuple[str, set[str]]:
        path, header = pair
        syntax = EXPLICIT_LITTLE if header.transfer_syntax == DEFLATED else header.transfer_syntax
        meta = write_file_meta(sop_class="1.2", sop_uid="1.3", transfer_syntax=syntax)
        before, after = (
            _errors(tmp_path / f"{id(pair)}-{n}", PREAMBLE + meta + raw)
            for n, raw in enumerate((bytes(header.data), whole(header, header.data, CHINESE)))
        )
        return path.name, after - before

    with ThreadPoolExecutor(2) as pool:
        found = dict(pool.map(new_errors, kinds.values()))
    assert len(found) > 20
    assert {name: errors for name, errors in found.items() if errors} == {}


def _errors(path: Path, content: bytes) -> set[str]:
    path.write_bytes(content)
    answer = subprocess.run(["dciodvfy", path], capture_output=True, check=False, timeout=60)
    return {line for line in answer.stderr.decode("latin-1").splitlines() if line.startswith("Error")}
