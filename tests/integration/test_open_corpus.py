"""The pre-scan and the readers behind it against every file of the open corpus, with pydicom as witness."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest

from node.dicom.attributes import read_attributes
from node.dicom.frames import frame_of
from node.dicom.header import Header, identify, scan
from node.dicom.json_model import to_json
from node.dicom.normal import normal_digest
from node.dicom.part10 import read_part10
from node.dicom.walk import PIXEL_DATA
from node.errors import GridError, InvalidRequest

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "dicom"
REFUSED = {
    "winter.dcm": "comes twice",
    "MR_truncated.dcm": "8192 bytes, 8130 are left",
    "rtplan_truncated.dcm": "976 bytes, 711 are left",
    "DICOMDIR-nooffset": "248 bytes, 224 are left",
    "ExplVR_BigEndNoMeta.dcm": "not a DICOM file",
    "ExplVR_LitEndNoMeta.dcm": "not a DICOM file",
    "no_meta.dcm": "not a DICOM file",
    "rtstruct.dcm": "not a DICOM file",
    "OT-PAL-8-face.dcm": "not a DICOM file",
    "meta_missing_tsyntax.dcm": "does not say its transfer syntax",
}
"""Every file that is not read, with what its refusal says."""


@pytest.fixture(autouse=True, scope="module")
def _corpus_is_there() -> None:
    assert CORPUS.exists(), f"the open corpus is not at {CORPUS}: put it there, or nothing is shown"


@cache
def files() -> list[tuple[Path, dict[str, str]]]:
    manifest = json.loads((CORPUS / "manifest.json").read_text())
    return [(CORPUS / entry["path"], entry) for entry in manifest["files"] if entry["kind"] == "dicom"]


@cache
def headers() -> dict[Path, Header]:
    found = {}
    for path, _ in files():
        try:
            parts = read_part10(path.read_bytes())
            found[path] = scan(parts.data_set, parts.transfer_syntax)
        except GridError:
            continue
    return found


def test_every_file_is_read_but_those_with_a_reason() -> None:
    surprises = {}
    for path, _ in files():
        try:
            parts = read_part10(path.read_bytes())
            scan(parts.data_set, parts.transfer_syntax)
        except InvalidRequest as error:
            if REFUSED.get(path.name, "?") not in str(error):
                surprises[path.name] = str(error)
    assert surprises == {}


def test_instances_with_valid_uids_are_accepted() -> None:
    accepted = 0
    for header in headers().values():
        try:
            identify(header)
        except InvalidRequest:
            continue
        accepted += 1
    assert accepted >= 725


def test_top_level_is_what_pydicom_sees() -> None:
    from pydicom import dcmread

    differ = []
    for path, header in headers().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = set(map(int, dcmread(path, force=True).keys()))
        if theirs != set(header.elements):
            differ.append(path.name)
    assert differ == []


def test_names_are_what_pydicom_reads_where_a_label_says_how() -> None:
    from pydicom import dcmread

    compared = Counter[bool]()
    for path, header in headers().items():
        try:
            attributes = read_attributes(header)
        except InvalidRequest:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            name = str(dcmread(path, force=True, stop_before_pixels=True).get("PatientName", ""))
        compared[attributes.study.patient_name == name.rstrip("=^ ")] += 1
    assert compared[False] == 0
    assert compared[True] > 700


def test_every_data_set_has_its_json_and_its_digest() -> None:
    for header in headers().values():
        json.dumps(to_json(header, bulk=str), allow_nan=False)
    assert all(len(normal_digest(h.data, _plain(h))) == 64 for h in list(headers().values())[::25])


def test_encapsulated_frames_are_those_of_pydicom() -> None:
    from pydicom import dcmread
    from pydicom.encaps import generate_frames

    compared = 0
    warnings.simplefilter("ignore")
    for path, header in headers().items():
        pixels = header.elements.get(PIXEL_DATA)
        if pixels is None or not pixels.undefined or "mpeg" in path.name:
            continue
        data_set = dcmread(BytesIO(path.read_bytes()), force=True)
        count = int(data_set.get("NumberOfFrames", 1) or 1)
        theirs = list(generate_frames(data_set.PixelData, number_of_frames=count))
        assert [frame_of(header, n) for n in range(1, count + 1)] == theirs, path.name
        compared += 1
    assert compared > 140


def _plain(header: Header) -> str:
    """The syntax of a header's bytes: a deflated data set lies there inflated."""
    return header.transfer_syntax.removesuffix(".99")
