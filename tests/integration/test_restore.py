"""A node restored from last night's backup, as the runbook says it: its packs index again, its peers are told the truth.

About 25 s.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ops.founding import CLINIC_AND_CENTRE
from tests.kit.desk import Desk
from tests.kit.http import wait_for
from tests.kit.running import running_alliance


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    places = [replace(place, quiet_s=1.0, reserve_mb=1) for place in CLINIC_AND_CENTRE]
    with running_alliance(tmp_path, places=places) as alliance:
        yield Desk(alliance)


def back_up(desk: Desk, folder: Path) -> None:
    """Take the database while the node runs."""
    folder.mkdir()
    with (
        closing(sqlite3.connect(desk.state("alpha") / "meridian.db")) as source,
        closing(sqlite3.connect(folder / "meridian.db")) as copy,
    ):
        source.backup(copy)


def restore(desk: Desk, folder: Path) -> None:
    """Put the old database beside the packs, and let the index look at every pack again."""
    state = desk.state("alpha")
    for name in ("meridian.db", "meridian.db-wal", "meridian.db-shm"):
        (state / name).unlink(missing_ok=True)
    shutil.copy(folder / "meridian.db", state / "meridian.db")
    for pack in (state / "packs").glob("*.pack"):
        (state / "packs" / "landing" / pack.stem).touch()


def test_an_older_database_beside_newer_packs_loses_no_study_and_goes_on(desk: Desk, tmp_path: Path) -> None:
    before, after, later = (desk.new_uid() for _ in range(3))
    desk.send_ct(before)
    desk.wait_for_study(before, node="centre")
    back_up(desk, tmp_path / "backup")
    desk.send_ct(after)
    desk.wait_for_study(after, node="centre")
    wait_for("its receipt", lambda: not desk.rows("alpha", "SELECT 1 FROM outbox WHERE state <> 'received'"))
    desk.alliance.nodes["alpha"].stop()
    restore(desk, tmp_path / "backup")
    desk.alliance.start_node("alpha")
    desk.alliance.nodes["alpha"].wait_until_ready()
    desk.wait_for_study(after)
    assert "only one copy" in desk.problem("alpha", "node-restored", "centre")["detail"]
    desk.send_ct(later)
    desk.wait_for_study(later, node="centre")
    sql = "SELECT sop_uid, state FROM instance WHERE study_uid = ?"
    for uid in (before, after, later):
        assert desk.rows("centre", sql, uid) == desk.rows("alpha", sql, uid)
        assert len(desk.rows("centre", sql, uid)) == 1
