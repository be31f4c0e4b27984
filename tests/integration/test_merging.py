"""Merging with real processes: ended by kill -9 at each point, and behind a device that makes an association an image.

About 30 seconds.
"""

from __future__ import annotations

import email
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from federation.statements import CENTRE
from node.catalogue.crowding import FEW
from node.clock import SystemClock
from node.dicom.part10 import read_part10
from node.node import Node
from ops.demo_people import reader_token, staff_centre
from ops.founding import Place, found_on_this_machine
from ops.running import RunningNode, start_node
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.forked import begin_together, run
from tests.kit.http import Visitor, wait_for
from tests.kit.instances import make_ct, part10
from tests.kit.merging import findings, packs_meant, read_all, rows_of, scatter
from tests.kit.rows import read_rows
from tests.kit.running import storescu

ROOT = Path(__file__).parents[2]
PACKS = 12
IMAGES = 60
STUDY = "2.25.60"
AS_STORED = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


def run_merges(state: Path, *, failpoint: str = "") -> int:
    """Let a process do all merging there is; give how it ended."""
    return run("merging", state, failpoint=failpoint)


def make_due(state: Path) -> None:
    """Let ten minutes have passed for every pack that was merged."""
    with closing(sqlite3.connect(state / "meridian.db", isolation_level=None)) as database:
        database.execute("UPDATE retired_pack SET due = 0")


@pytest.fixture
def scattered(tmp_path: Path) -> Path:
    """A folder with a node ``alpha`` whose study came in twelve packs."""
    node = bare_node(tmp_path, "alpha", FrozenClock())
    scatter(node, PACKS)
    node.close()
    return tmp_path


def opened(folder: Path) -> Node:
    return bare_node(folder, "alpha", SystemClock())


def held(folder: Path) -> tuple[dict[tuple[str, str], str], int, list[str]]:
    """Give every content as it reads, the number of rows, and what verify says."""
    node = opened(folder)
    try:
        return read_all(node), len(rows_of(node)), [finding.what for finding in findings(node)]
    finally:
        node.close()


@pytest.mark.parametrize("failpoint", ["merge-copied", "merge-named", "merge-moved", "merge-unlinked"])
def test_kill_9_at_each_point_of_a_merge_loses_nothing_and_does_nothing_twice(
    scattered: Path, failpoint: str
) -> None:
    state, before = scattered / "alpha", held(scattered)
    if failpoint == "merge-unlinked":
        assert run_merges(scattered) == 0
        make_due(state)
    assert run_merges(scattered, failpoint=failpoint) == -9
    assert held(scattered) == before
    assert run_merges(scattered) == 0
    assert held(scattered) == before
    make_due(state)
    assert run_merges(scattered) == 0
    assert held(scattered) == before
    assert len(list((state / "packs").glob("*.pack"))) == 1
    assert list((state / "packs" / "merging").iterdir()) == []


def test_two_processes_at_once_merge_once(scattered: Path) -> None:
    before = held(scattered)
    for process in begin_together(2, "merging", scattered):
        process.wait()
    assert run_merges(scattered) == 0  # one of them may have been overtaken, and looks again
    assert held(scattered) == before
    node = opened(scattered)
    assert (len(packs_meant(node)), node.packs.directory.merging()) == (1, [])
    node.close()


@dataclass
class Hospital:
    """A running node that anybody on this machine may send to."""

    node: RunningNode
    state: Path
    reader: Visitor

    def packs(self) -> set[str]:
        return {path.stem for path in (self.state / "packs").glob("*.pack")}

    def packs_meant(self) -> set[str]:
        return {str(row["pack"]) for row in read_rows(self.state, "SELECT DISTINCT pack FROM instance", ())}

    def count(self) -> int:
        (row,) = read_rows(self.state, "SELECT count(*) AS n FROM instance WHERE study_uid = ?", (STUDY,))
        return int(str(row["n"]))

    def data_sets(self) -> dict[str, bytes]:
        """Give the study's data sets as WADO-RS gives them."""
        visitor = Visitor(self.reader.web, bearer=self.reader.bearer, headers=AS_STORED)
        status, headers, body = visitor.raw("GET", f"/dicomweb/studies/{STUDY}")
        assert status == 200
        head = b"Content-Type: " + headers["content-type"].encode() + b"\r\n\r\n"
        files = [
            read_part10(part.get_payload(decode=True))
            for part in email.message_from_bytes(head + body).get_payload()
        ]  # type: ignore[union-attr, arg-type]
        return {file.sop_uid: bytes(file.data_set) for file in files}

    def verified(self) -> str:
        command = [sys.executable, "-c", "from ops.cli import main; main()", "verify", str(self.state)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        return "" if done.returncode == 0 else done.stdout


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    place = Place(id="centre", name="Centre", role=CENTRE, listens=True, quiet_s=1.0, reserve_mb=1)
    (node,) = found_on_this_machine(tmp_path, [place]).values()
    staff_centre(node)
    token = reader_token(node)
    node.close()
    running = start_node(tmp_path / "centre")
    try:
        running.wait_until_ready()
        yield Hospital(running, tmp_path / "centre", Visitor(running.web, bearer=token))
    finally:
        running.stop()


@pytest.mark.peer
def test_a_device_with_an_association_for_each_image_leaves_few_packs_and_the_same_bytes(
    hospital: Hospital, tmp_path: Path
) -> None:
    sent = {}
    for n in range(1, IMAGES + 1):
        sop_uid = f"{STUDY}.1.{n}"
        sent[sop_uid] = make_ct(study_uid=STUDY, series_uid=f"{STUDY}.1", sop_uid=sop_uid, number=n)
        path = tmp_path / f"{n}.dcm"
        path.write_bytes(part10(sent[sop_uid], sop_uid=sop_uid))
        storescu(hospital.node, [path])
    wait_for("all images", lambda: hospital.count() == IMAGES)
    assert hospital.data_sets() == sent
    wait_for("few packs", lambda: len(hospital.packs_meant()) <= FEW, timeout_s=90)
    assert len(hospital.packs()) > IMAGES
    assert (hospital.data_sets(), hospital.verified()) == (sent, "")
    make_due(hospital.state)
    other = tmp_path / "other.dcm"
    other.write_bytes(part10(make_ct(study_uid="2.25.61", sop_uid="2.25.61.1"), sop_uid="2.25.61.1"))
    storescu(hospital.node, [other])  # whatever is written rings the bell
    wait_for("the old packs to go", lambda: hospital.packs() == hospital.packs_meant(), timeout_s=90)
    assert len(hospital.packs()) <= FEW + 1
    assert (hospital.data_sets(), hospital.verified()) == (sent, "")
