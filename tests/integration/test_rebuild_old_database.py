"""An index is written again over a database that is old, altered, damaged or brought back: what it gives, and what it does not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from node.catalogue.correction_drafts import draft_merge
from node.catalogue.corrections import make_correction
from node.catalogue.search import get_study
from node.catalogue.written import write_study
from node.database.port import Statement
from node.database.salvage import OldDatabase
from node.database.schema import MIGRATIONS
from node.errors import Damaged, GridError
from node.names import NodeId
from node.people.accounts import OPERATOR, create_account
from ops.rebuild import rebuilding
from tests.kit.lost_index import (
    TickingClock,
    begin,
    complete,
    content_of,
    differences,
    export_of,
    key,
    lose_database,
    opened,
    patient,
    rebuilt,
    seal,
    send,
    slice_,
    wrong_in,
)
from tests.kit.people import TECHNICIAN
from tests.kit.planting import planted


def test_a_journal_that_was_altered_in_the_old_database_gives_way_to_its_blocks(
    state: Path, clock: TickingClock
) -> None:
    before = export_of(state, clock)
    node = opened(state, clock)
    node.write([Statement("UPDATE journal SET subject = 'study/alpha/2.25.99' WHERE seq = 3")])
    node.close()
    rebuilt(state, clock)
    assert differences(before, export_of(state, clock)) == []


def spoil_database(state: Path, clock: TickingClock) -> None:
    """Leave a database that cannot be opened, and a log that could be replayed into another one."""
    node = opened(state, clock)
    node.write([Statement("UPDATE study SET patient_name = 'Nobody'")])
    log = (state / "meridian.db-wal").read_bytes()
    node.close()
    (state / "meridian.db-wal").write_bytes(log)
    raw = bytearray((state / "meridian.db").read_bytes())
    raw[:16] = bytes(16)
    (state / "meridian.db").write_bytes(raw)


def test_a_database_that_cannot_be_read_is_left_until_somebody_says_so(
    state: Path, clock: TickingClock
) -> None:
    before = export_of(state, clock)
    spoil_database(state, clock)
    raw = (state / "meridian.db").read_bytes(), (state / "meridian.db-wal").read_bytes()
    with pytest.raises(Damaged, match="--without-old"):
        rebuilt(state, clock)
    assert ((state / "meridian.db").read_bytes(), (state / "meridian.db-wal").read_bytes()) == raw
    done = rebuilding.rebuild(state, clock=clock, without_old=True)
    assert done.kept is not None
    assert (done.kept.read_bytes(), done.kept.with_name(f"{done.kept.name}-wal").read_bytes()) == raw
    assert differences(before, export_of(state, clock)) == []


def test_a_planted_log_that_is_left_beside_the_new_database_is_caught(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-log-left")
    with pytest.raises((AssertionError, GridError)):
        test_a_database_that_cannot_be_read_is_left_until_somebody_says_so(state, clock)


def test_of_a_table_with_a_damaged_page_the_other_rows_are_copied(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    sql = "INSERT INTO audit (id, at, person, act, subject, outcome, address) VALUES (?, 1, '', 'x', ?, 'done', '')"
    node.write([Statement(sql, (f"{n:08d}", "s" * 80)) for n in range(3_000)])
    node.close()
    path = state / "meridian.db"
    raw = bytearray(path.read_bytes())
    page = raw.find(b"00001500") // 4096 * 4096
    raw[page : page + 8] = bytes(8)
    path.write_bytes(raw)
    done = rebuilt(state, clock)
    assert done.content is not None
    assert "audit" in done.content.lost
    node = opened(state, clock)
    (left,) = node.database.read(
        "SELECT count(*) AS n, min(id) AS low, max(id) AS high FROM audit WHERE act = 'x'"
    )
    assert 2_500 < int(str(left["n"])) < 3_000
    assert (left["low"], left["high"]) == ("00000000", "00002999")
    node.close()


def test_a_backup_gives_content_and_later_blocks_the_rest(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    create_account(node, OPERATOR, user="li", name="Li", roles=["technician"])
    node.close()
    backup = state.parent / "backup.db"
    shutil.copy(state / "meridian.db", backup)
    node = opened(state, clock)
    send(node, clock, 20, slice_(20, 1, patient_id="F-1"))
    make_correction(node, TECHNICIAN, draft_merge(node, patient("F-1"), patient("D-1")), reason="Same")
    complete(node, clock)
    seal(node, clock)
    node.close()
    before = export_of(state, clock)
    lose_database(state)
    shutil.copy(backup, state / "meridian.db")
    done = rebuilt(state, clock)
    assert differences(before, export_of(state, clock)) == []
    assert (done.doubt.marked, done.journal.fault) == (0, "")
    assert len(content_of(state, clock)["account"]) == 1
    assert wrong_in(state, clock) == []


def test_what_a_peer_announced_is_kept_of_an_old_database(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    row = replace(
        get_study(node.database, key(3)), origin=NodeId("beta"), state="announced", source_at=0, source_digest="",
        instance_count=0, bytes=0, completed_at=None,
    )  # fmt: skip
    node.write(write_study(row, before=None))
    node.close()
    before = export_of(state, clock)
    rebuilt(state, clock)
    assert differences(before, export_of(state, clock)) == []


def test_a_database_of_an_earlier_version_gives_its_content(
    tmp_path: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = begin(tmp_path)
    with monkeypatch.context() as earlier:
        earlier.setattr("node.database.sqlite.MIGRATIONS", MIGRATIONS[:-1])
        node = opened(state, clock)
        create_account(node, OPERATOR, user="li", name="Li", roles=["technician"])
        node.close()
    done = rebuilt(state, clock)
    assert len(content_of(state, clock)["account"]) == 1
    assert done.kept is not None
    assert OldDatabase(done.kept).version == len(MIGRATIONS) - 1, "the old one is kept as it was"
