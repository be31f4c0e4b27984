"""kill -9 of whichever process is at each point of the walk: nothing is lost, nothing comes twice.

One alliance of real processes; each point meets a new study of six slices. Takes two and a half minutes.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.crash import SLICES, Crashes, Point, crashing_alliance
from tests.kit.http import wait_for
from tests.kit.ledger import Walked, repeats, still_owed, wrong_after

pytestmark = pytest.mark.peer
ROOT = Path(__file__).parents[2]
POINTS = (
    Point("received", "alpha", "receiver"),
    Point("registered", "alpha", "grid"),
    Point("delivered", "centre", "grid"),
    Point("sealed", "alpha", "grid"),
    Point("applied", "centre", "grid"),
    Point("answered", "alpha", "receiver"),
    Point("part-sealed", "alpha", "grid"),
    Point("claimed", "centre", "grid"),
    Point("pacs", "alpha", "worker"),
    Point("signed", "centre", "grid"),
    Point("returned", "alpha", "grid"),
)
"""Ordered so that no process ends twice in a row: `ops.serve` waits longer each time."""


@pytest.fixture(scope="module")
def crashes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashes]:
    with crashing_alliance(tmp_path_factory.mktemp("crashes"), POINTS) as crashes:
        yield crashes


@pytest.fixture(scope="module")
def walks() -> list[Walked]:
    """What went the whole way so far."""
    return []


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.name} at {point.node} in {point.kind}")
def test_a_walk_survives_kill_9(crashes: Crashes, walks: list[Walked], point: Point) -> None:
    directory, began = crashes.alliance.directory, time.monotonic()
    before = crashes.deaths(point)
    crashes.arm(point)
    try:
        walked = crashes.walk(POINTS.index(point))
        settle(directory)
    finally:
        fired = crashes.disarm(point)
    assert fired, "the process never came to the point"
    assert crashes.deaths(point) == before + 1
    assert wrong_after(directory, walked) == []
    again = repeats(directory, walked)
    # A sender whose association broke sends all of it again: what was stored is counted and dropped.
    assert again["centre"] == 0
    assert again["alpha"] < SLICES if point.kind == "receiver" else again["alpha"] == 0
    walks.append(walked)
    print(f"{point.name:<12} {point.node:<7} {point.kind:<9} {time.monotonic() - began:5.1f} s")


def test_afterwards_both_nodes_verify(crashes: Crashes) -> None:
    for node in ("alpha", "centre"):
        command = [sys.executable, "-c", "from ops.cli import main; main()", "verify"]
        state = str(crashes.alliance.directory / node)
        done = subprocess.run(
            [*command, state], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        print(done.stdout.strip())


LOSSES = {
    "an instance": "DELETE FROM online_instance WHERE study_uid = '{study_uid}' AND number = 3",
    "a report": "DELETE FROM report WHERE report_id = '{report_id}'",
    "a fact twice": "INSERT INTO journal (at, origin, type, subject, version, cause, body, digest) SELECT at, origin,"
    " type, subject, version + 100, cause, body, digest FROM journal WHERE type = 'study-completed/1'"
    " AND subject = 'study/alpha/{study_uid}'",
    "a case twice": "INSERT INTO consult_case SELECT 'again', clinic, home, pool, origin, study_uid, kind, urgency,"
    " specialty, form, state, cancelling, amended, requested_at, requested_by, due, reason, claimed_by, claimed_name,"
    " claimed_at, report_id, returned_at, clinic_name, overdue, version, cause FROM consult_case"
    " WHERE case_id = '{case_id}'",
    "a claim twice": "UPDATE journal SET type = 'case-claimed/1' WHERE type = 'case-offered/1'"
    " AND subject = 'case/{case_id}'",
    "a delivery": "DELETE FROM delivery WHERE report_id = '{report_id}'",
}


@pytest.mark.parametrize("loss", LOSSES)
def test_the_ledger_names_what_is_planted(
    crashes: Crashes, walks: list[Walked], tmp_path: Path, loss: str
) -> None:
    directory, walked = crashes.alliance.directory, walks[0]
    for node in ("alpha", "centre"):
        (tmp_path / node).mkdir()
        with sqlite3.connect(directory / node / "meridian.db") as running:
            running.execute("VACUUM INTO ?", (str(tmp_path / node / "meridian.db"),))
    (tmp_path / "pacs").symlink_to(directory / "pacs")
    assert wrong_after(tmp_path, walked) == []
    for node in ("alpha", "centre"):
        with sqlite3.connect(tmp_path / node / "meridian.db") as copy:
            copy.execute(LOSSES[loss].format(**vars(walked)))
    assert wrong_after(tmp_path, walked) != []


def settle(directory: Path) -> None:
    """Wait until nobody owes anybody anything."""
    try:
        wait_for("nothing owed", lambda: not still_owed(directory), timeout_s=60, every_s=0.2)
    except AssertionError:
        pytest.fail(f"still owed: {still_owed(directory)}")
