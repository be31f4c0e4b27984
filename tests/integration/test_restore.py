"""A node restored from last night's backup, as the runbook says it: its packs index again, its peers are told the truth.

About 50 s.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from node.keys.backup_key import draw_backup_key, open_backup_key
from ops.backup.making import back_up as make_backup
from ops.backup.opening import open_folder_place
from ops.backup.restoring import restore as restore_backup
from ops.compose import compose_node
from ops.founding import CLINIC_AND_CENTRE
from tests.kit.alliance_keys import CHEAP, PASSPHRASE
from tests.kit.desk import Desk
from tests.kit.http import wait_for
from tests.kit.running import running_alliance


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    places = [replace(place, quiet_s=1.0, reserve_mb=1) for place in CLINIC_AND_CENTRE]
    with running_alliance(tmp_path, places=places) as alliance:
        yield Desk(alliance)


def back_up(desk: Desk, folder: Path) -> None:
    """Make a backup while the node runs."""
    folder.mkdir()
    node = compose_node(desk.state("alpha"))
    with patch("node.keys.locked.COST", CHEAP):
        drawer = folder.with_name("drawer")
        draw_backup_key(node.keys, node.state / "keys", drawer=drawer, passphrase=PASSPHRASE)
    make_backup(node, open_folder_place(folder, begin=True))
    node.close()


def restore(folder: Path, state: Path) -> None:
    """Restore the backup into a folder that is not there."""
    key = open_backup_key(folder.with_name("drawer"), PASSPHRASE)
    restore_backup(open_folder_place(folder), state, key=key)


def put_beside_packs(old: Path, state: Path) -> None:
    """Put the old database and its keys beside the packs, and let the index look at every pack again."""
    for name in ("meridian.db", "meridian.db-wal", "meridian.db-shm"):
        (state / name).unlink(missing_ok=True)
    shutil.copy(old / "meridian.db", state / "meridian.db")
    for keys in (old / "keys").glob("*.json"):
        shutil.copy(keys, state / "keys" / keys.name)
    for pack in (state / "packs").glob("*.pack"):
        (state / "packs" / "landing" / pack.stem).touch()


def send_two(desk: Desk, folder: Path) -> tuple[str, str]:
    """Let a study reach the centre before the backup, and one after it; end the clinic."""
    before, after = desk.new_uid(), desk.new_uid()
    desk.send_ct(before)
    desk.wait_for_study(before, node="centre")
    back_up(desk, folder)
    desk.send_ct(after)
    desk.wait_for_study(after, node="centre")
    wait_for("its receipt", lambda: not desk.rows("alpha", "SELECT 1 FROM outbox WHERE state <> 'received'"))
    desk.alliance.nodes["alpha"].stop()
    return before, after


def go_on(desk: Desk) -> str:
    """Start the clinic again, and let another study reach the centre."""
    desk.alliance.start_node("alpha")
    desk.alliance.nodes["alpha"].wait_until_ready()
    assert "no other copy" in desk.problem("alpha", "node-restored", "alpha")["detail"]
    later = desk.new_uid()
    desk.send_ct(later)
    desk.wait_for_study(later, node="centre")
    return later


def assert_same(desk: Desk, *studies: str) -> None:
    sql = "SELECT sop_uid, state FROM instance WHERE study_uid = ?"
    for uid in studies:
        assert desk.rows("centre", sql, uid) == desk.rows("alpha", sql, uid)
        assert len(desk.rows("centre", sql, uid)) == 1


def test_an_older_database_beside_newer_packs_loses_no_study_and_goes_on(desk: Desk, tmp_path: Path) -> None:
    before, after = send_two(desk, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "alpha.old")
    put_beside_packs(tmp_path / "alpha.old", desk.state("alpha"))
    later = go_on(desk)
    desk.wait_for_study(after)
    assert_same(desk, before, after, later)


def test_a_machine_that_is_lost_comes_back_as_it_was_and_goes_on(desk: Desk, tmp_path: Path) -> None:
    before, after = send_two(desk, tmp_path / "backup")
    shutil.rmtree(desk.state("alpha"))
    restore(tmp_path / "backup", desk.state("alpha"))
    later = go_on(desk)
    assert_same(desk, before, later)
    desk.send_ct(after)  # the device has it still
    desk.wait_for_study(after)
    assert_same(desk, after)
