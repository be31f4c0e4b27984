"""Every file of the open corpus sent to running nodes: what is taken comes back as it was sent, what is not has its reason."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from node.database.port import text
from node.dicom.part10 import read_part10
from node.errors import GridError
from node.node import Node
from node.store.facts import Location
from ops.compose import compose_node
from tests.kit.raw_sender import Aborted, Sent, read_file, send_files
from tests.kit.running import RunningAlliance, running_alliance

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "dicom"
BATCH = 25
TRUNCATED = {"MR_truncated.dcm", "rtplan_truncated.dcm"}
"""Refused, and their SOP Instance UIDs are those of whole files that are here."""


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAlliance]:
    assert CORPUS.exists(), f"the open corpus is not at {CORPUS}: put it there, or nothing is shown"
    with running_alliance(tmp_path_factory.mktemp("corpus")) as running:
        yield running


def files() -> list[Path]:
    manifest = json.loads((CORPUS / "manifest.json").read_text())
    return [CORPUS / entry["path"] for entry in manifest["files"] if entry["kind"] == "dicom"]


def test_what_a_raw_sender_sent_comes_back_byte_for_byte(alliance: RunningAlliance) -> None:
    where = alliance.nodes["alpha"].dicom
    answers: dict[Path, Sent] = {}
    paths = files()
    for n in range(0, len(paths), BATCH):
        batch = paths[n : n + BATCH]
        try:
            answers |= dict(zip(batch, send_files(batch, where.host, where.port), strict=True))
        except Aborted:
            for path in batch:
                answers |= {path: _send_one(path, where.host, where.port)}
    taken = [path for path, answer in answers.items() if answer.status == 0]
    refused = {path.name: answer for path, answer in answers.items() if answer.status != 0}
    for name, answer in sorted(refused.items()):
        print(f"refused {name}: 0x{answer.status:04X} {answer.comment}")
    print(f"sent {len(answers)}, taken {len(taken)}, refused {len(refused)}")
    assert len(taken) >= 725
    assert all(answer.comment for answer in refused.values())

    node = compose_node(alliance.directory / "alpha")
    sent = Counter(hashlib.sha256(read_file(path).data_set).hexdigest() for path in taken)
    rows = node.database.read("SELECT * FROM instance WHERE door = 'dicom'")
    assert {text(row, "digest") for row in rows} == set(sent)
    reader = alliance.reader("alpha")
    chosen = [row for row in rows if row["state"] == "chosen"]
    for row in chosen:
        address = (
            f"/dicomweb/studies/{row['study_uid']}/series/{row['series_uid']}/instances/{row['sop_uid']}"
        )
        reader.headers = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
        status, headers, body = reader.raw("GET", address)
        assert status == 200, address
        boundary = headers["content-type"].partition("boundary=")[2].split(";")[0].strip('"').encode()
        part = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--" + boundary, 1)[0]
        assert hashlib.sha256(read_part10(part).data_set).hexdigest() == row["digest"], address
    print(f"{len(chosen)} chosen instances came back by WADO-RS as they were sent")
    node.close()


def test_what_dcmtk_sent_comes_back_element_for_element(alliance: RunningAlliance) -> None:
    where = alliance.nodes["centre"].dicom
    readable = [path for path in files() if path.name not in TRUNCATED and _has_identity(path)]
    subprocess.run(
        ["dcmsend", "--no-halt", "--no-illegal-proposal", "--no-uid-checks", "--decompress-never",
         "-aec", where.aet, where.host, str(where.port), *map(str, readable)],
        env={**os.environ, "TCP_NODELAY": "1"}, capture_output=True, timeout=240, check=False,
    )  # fmt: skip
    node = compose_node(alliance.directory / "centre")
    arrived = agreed = 0
    for path in readable:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            original = pydicom.dcmread(path)
            syntax = str(original.file_meta.get("TransferSyntaxUID", ""))
            rows = _rows(node, str(original.SOPInstanceUID), syntax)
            here = [pydicom.dcmread(_bytes_io(node, row)) for row in rows]
            if here:
                arrived += 1
                same = any(_same(original, copy) for copy in here)
                agreed += same
                if not same:
                    print(f"differs: {path.name} {_differing(original, here[0])}")
    print(f"dcmtk sent {len(readable)}, {arrived} are here, {agreed} agree in every element")
    assert arrived >= 600
    assert agreed == arrived
    node.close()


def _send_one(path: Path, host: str, port: int) -> Sent:
    try:
        return send_files([path], host, port)[0]
    except Aborted:
        return Sent(
            status=0x0122, comment="the association was aborted: no SOP class or UID that can be sent"
        )


def _has_identity(path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(path, stop_before_pixels=True)
            return bool(
                found.get("SOPInstanceUID") and found.get("StudyInstanceUID") and found.get("SOPClassUID")
            )
    except Exception:
        return False


def _rows(node: Node, sop_uid: str, syntax: str) -> list[dict[str, object]]:
    sql = "SELECT * FROM instance WHERE sop_uid = ? AND transfer_syntax = ? AND door = 'dicom'"
    return [dict(row) for row in node.database.read(sql, (sop_uid, syntax))]


def _bytes_io(node: Node, row: dict[str, object]) -> object:
    import io

    names = ("pack", "offset", "meta_bytes", "data_offset", "data_bytes")
    location = Location(**{name: row[name] for name in names})  # type: ignore[arg-type]  # columns of the row
    try:
        return io.BytesIO(node.packs.read_file(location))
    except GridError as error:
        raise AssertionError(str(error)) from error


def _same(original: pydicom.Dataset, copy: pydicom.Dataset) -> bool:
    """Compare every element but group lengths and trailing padding, which a sender may write anew."""
    return not _differing(original, copy)


def _differing(original: pydicom.Dataset, copy: pydicom.Dataset) -> list[str]:
    first, second = (
        {e.tag: e for e in each if e.tag.element != 0 and e.tag != 0xFFFCFFFC} for each in (original, copy)
    )
    tags = first.keys() | second.keys()
    return [
        str(t)
        for t in tags
        if t not in first or t not in second or not _equal(first[t].value, second[t].value)
    ]


def _equal(first: object, second: object) -> bool:
    """Equal, or an odd length that dcmtk made even as the standard asks (PS3.5 7.1)."""
    if isinstance(first, bytes) and isinstance(second, bytes) and len(first) % 2:
        return first + b"\0" == second
    return first == second
