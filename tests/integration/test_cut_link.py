"""The line between clinic and centre breaks in every way it can; what was sent arrives, once, without a person.

The clinic reaches the centre through a line that the test cuts, stalls and heals.
How long it may take from healing to everything at the centre is bounded by the
wait between two tries, which grows with how long the line was cut. About 60 s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from node.config import load_config
from node.imaging.phantom import make_series
from ops.founding import CLINIC_AND_CENTRE
from tests.kit import walk
from tests.kit.http import Visitor, wait_for
from tests.kit.listeners import ports_listened_at
from tests.kit.rows import read_rows
from tests.kit.running import RunningAlliance, running_alliance, storescu
from tests.kit.tcp_proxy import Line

SLICES = 6
NEXT_TRY_S = 16.0
"""After a cut of a few seconds the clinic tries again at least this often."""
WORK_S = 15.0
"""For what there is to do once the line is up, on a busy machine."""


@dataclass
class Apart:
    """The running alliance and the line through which the clinic reaches the centre."""

    alliance: RunningAlliance
    line: Line
    folder: Path
    administrator: Visitor
    numbers: Iterator[int] = field(default_factory=count)

    def send_study(self, size: int = 64) -> str:
        """Send a study to the clinic; give its UID when the clinic has answered for all of it."""
        uid = f"2.25.88{next(self.numbers):04d}"
        files = []
        for n, content in enumerate(make_series(SLICES, size, study_uid=uid)):
            files.append(self.folder / f"{uid}-{n}.dcm")
            files[-1].write_bytes(content)
        storescu(self.alliance.nodes["alpha"], files)
        return uid

    def rows(self, node: str, sql: str, *params: object) -> list[dict[str, Any]]:
        return read_rows(self.alliance.directory / node, sql, params)

    def is_complete(self, node: str, uid: str) -> bool:
        rows = self.rows(node, "SELECT state, instance_count FROM study WHERE study_uid = ?", uid)
        return bool(rows) and rows[0] == {"state": "complete", "instance_count": SLICES}

    def wait_for_study(self, uid: str, *, within_s: float) -> float:
        """Wait until the centre has all of it and has said so; give how long that took."""
        begin = time.monotonic()
        wait_for("the study at the centre", lambda: self.is_complete("centre", uid), timeout_s=within_s)
        took = time.monotonic() - begin
        wait_for("the receipts", lambda: not self.is_waiting(uid), timeout_s=WORK_S)
        self.check_it_is_there_once(uid)
        return took

    def is_waiting(self, uid: str) -> bool:
        """Say whether the clinic still has something to do for this study."""
        (row,) = self.rows(
            "alpha",
            "SELECT (SELECT count(*) FROM outbox WHERE state <> 'received') AS envelopes,"
            " (SELECT count(*) FROM decision WHERE pending > 0 AND study_uid = ?) AS studies",
            uid,
        )
        return bool(row["envelopes"] or row["studies"])

    def check_it_is_there_once(self, uid: str) -> None:
        sent, came = (
            self.rows(node, "SELECT sop_uid, digest FROM instance WHERE study_uid = ? ORDER BY sop_uid", uid)
            for node in ("alpha", "centre")
        )
        assert len(sent) == SLICES
        assert came == sent
        assert not self.rows("centre", "SELECT 1 FROM repeated WHERE study_uid = ?", uid)
        packs = [path.read_bytes() for path in (self.alliance.directory / "centre" / "packs").glob("*.pack")]
        for one in came:
            assert sum(pack.count(bytes.fromhex(one["digest"])) for pack in packs) == 1

    def centre_as_alpha_shows_it(self) -> dict[str, Any]:
        peers = self.administrator.get("/api/alliance")["peers"]
        return next(peer for peer in peers if peer["id"] == "centre")

    def wait_until_shown(self, state: str) -> dict[str, Any]:
        def shown() -> dict[str, Any] | None:
            peer = self.centre_as_alpha_shows_it()
            return peer if peer["state"] == state else None

        found: dict[str, Any] = wait_for(f"the link shown as {state}", shown, timeout_s=NEXT_TRY_S + WORK_S)
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    folder = tmp_path_factory.mktemp("cut")
    with Line() as line:
        centre, clinic = (replace(place, quiet_s=1.0, reserve_mb=1) for place in CLINIC_AND_CENTRE)
        places = (replace(centre, reached_at=line.address), clinic)
        with running_alliance(folder, places=places, start=False) as alliance:
            line.toward = ("127.0.0.1", load_config(folder / "centre").alliance.port)
            alliance.start()
            (folder / "files").mkdir()
            yield Apart(alliance, line, folder / "files", alliance.visitor("alpha", "administrator"))


@pytest.fixture
def apart(running: Apart) -> Iterator[Apart]:
    running.wait_until_shown("connected")
    yield running
    running.line.heal()


@pytest.mark.peer
def test_nothing_at_the_clinic_listens_for_peers(apart: Apart) -> None:
    for node, doors in (("alpha", 2), ("centre", 3)):
        config = load_config(apart.alliance.directory / node)
        expected = {config.dicom.port, config.web.port} | ({config.alliance.port} - {0})
        assert len(expected) == doors
        assert ports_listened_at(apart.alliance.processes(node).values()) == expected


def test_a_study_that_came_while_the_line_was_cut_is_all_there_once_it_is_healed(apart: Apart) -> None:
    apart.line.cut()
    uid = apart.send_study()
    wait_for("complete at the clinic", lambda: apart.is_complete("alpha", uid))
    shown = apart.wait_until_shown("down")
    assert "centre" in shown["error"]
    assert shown["nextTry"] > shown["since"]
    waiting = wait_for("what waits", lambda: apart.centre_as_alpha_shows_it()["waiting"]["envelopes"])
    assert waiting >= 1
    assert apart.centre_as_alpha_shows_it()["waiting"]["oldestAt"]
    assert not apart.rows("centre", "SELECT 1 FROM study WHERE study_uid = ?", uid)
    apart.line.heal()
    apart.wait_for_study(uid, within_s=NEXT_TRY_S + WORK_S)
    apart.wait_until_shown("connected")


def test_images_go_on_from_where_the_line_broke(apart: Apart) -> None:
    before = apart.line.carried_up
    apart.line.pace_s = 0.002
    apart.line.cut_after(1_700_000)
    uid = apart.send_study(size=512)
    wait_for("the line cut under way", lambda: apart.line.is_cut, timeout_s=WORK_S)
    until_cut = apart.line.carried_up - before
    apart.line.heal()
    apart.wait_for_study(uid, within_s=NEXT_TRY_S + WORK_S)
    (sent,) = apart.rows("alpha", "SELECT sum(bytes) AS bytes FROM part WHERE study_uid = ?", uid)
    assert sent["bytes"] > 2_500_000
    again = apart.line.carried_up - before - sent["bytes"]
    assert again < until_cut - 500_000, "what had arrived was not sent again"


def test_a_line_that_breaks_again_and_again_gets_everything_across(apart: Apart) -> None:
    before = apart.line.carried_up
    apart.line.cut_after(900_000)
    uid = apart.send_study(size=512)
    for _ in range(3):
        wait_for("the line cut", lambda: apart.line.is_cut, timeout_s=NEXT_TRY_S + WORK_S)
        apart.line.heal()
        apart.line.cut_after(900_000)
    apart.line.heal()
    apart.wait_for_study(uid, within_s=NEXT_TRY_S + WORK_S)
    assert apart.line.carried_up > before


def test_a_line_that_carries_nothing_for_a_while_loses_nothing(apart: Apart) -> None:
    apart.line.stall()
    uid = apart.send_study()
    wait_for("complete at the clinic", lambda: apart.is_complete("alpha", uid))
    time.sleep(2)
    assert not apart.is_complete("centre", uid)
    apart.line.heal()
    apart.wait_for_study(uid, within_s=NEXT_TRY_S + WORK_S)


def test_the_centre_started_anew_while_the_line_was_cut_gets_all_of_it(apart: Apart) -> None:
    apart.line.cut_after(1_000_000)
    uid = apart.send_study(size=512)
    wait_for("the line cut under way", lambda: apart.line.is_cut, timeout_s=WORK_S)
    apart.alliance.nodes["centre"].stop()
    apart.alliance.start_node("centre")
    apart.alliance.nodes["centre"].wait_until_ready()
    assert not apart.is_complete("centre", uid)
    apart.line.heal()
    apart.wait_for_study(uid, within_s=NEXT_TRY_S + WORK_S)


def test_a_report_signed_while_the_line_is_cut_comes_home(apart: Apart) -> None:
    uid = apart.send_study()
    apart.wait_for_study(uid, within_s=WORK_S)
    technician, expert = (
        apart.alliance.visitor("alpha", "technician"),
        apart.alliance.visitor("centre", "expert"),
    )
    case_id = technician.post("/api/consults", {**walk.FORM, "origin": "alpha", "studyUid": uid})["caseId"]
    walk.claim(expert, case_id)
    apart.line.cut()
    walk.sign(expert, case_id)
    time.sleep(1)
    assert technician.get(f"/api/consults/{case_id}")["reportId"] is None
    apart.line.heal()
    assert walk.report_at_clinic(technician, case_id)["findings"] == walk.FINDINGS
