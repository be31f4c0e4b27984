"""The journal sealed: when a block is due, what it covers, and what each crash, lost file or second sealer leaves."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from node.database.port import Statement
from node.database.sqlite import SqliteDatabase
from node.errors import Conflict, Damaged
from node.journal import chain
from node.journal.blocks import block_path, make_block, write_block_file
from node.journal.chain import AGE, RECORDS, blocks_folder, due_at, mend, seal_next
from node.journal.records import Journal
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.blocks import covered, few_a_block, findings, happen, rows, seal_all
from tests.kit.clock import NOON, FrozenClock
from tests.kit.planting import planted


def file_of(node: Node, n: int) -> Path:
    return block_path(blocks_folder(node), n)


def change(node: Node, sql: str) -> None:
    node.write([Statement(sql)])


def problems(node: Node) -> list[str]:
    return [str(row["kind"]) for row in node.database.read("SELECT kind FROM problem ORDER BY at, id")]


def test_a_record_waits_ten_minutes_at_most(node: Node, clock: FrozenClock) -> None:
    assert due_at(node) is None
    happen(node)
    clock.advance(AGE // 2)
    happen(node)
    assert due_at(node) == NOON + AGE
    assert seal_next(node) is None
    clock.advance(AGE // 2)
    row = seal_next(node)
    assert row is not None
    assert (row.first_seq, row.last_seq, row.at) == (1, 2, NOON + AGE)
    assert due_at(node) is None


def test_many_records_do_not_wait(node: Node) -> None:
    with few_a_block(3):
        happen(node, 7)
    assert due_at(node) == NOON + AGE  # 7 are few for RECORDS
    assert RECORDS > 7
    with few_a_block(3):
        assert seal_all(node) == 3
    assert [(row.first_seq, row.last_seq) for row in rows(node)] == [(1, 3), (4, 6), (7, 7)]
    assert findings(node) == []


def test_a_block_with_long_records_ends_sooner(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    happen(node, 3)
    monkeypatch.setattr(chain, "BODY_CHARACTERS", 1)
    with few_a_block():
        assert seal_all(node) == 3
    assert findings(node) == []


def order_of_effects(node: Node, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    fsync, rename, write = os.fsync, Path.rename, SqliteDatabase.write

    def recorded_fsync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        if name.is_relative_to(blocks_folder(node)):
            calls.append("sync folder" if name.is_dir() else f"sync {name.suffix}")
        fsync(descriptor)

    def recorded_rename(self: Path, target: Path) -> Path:
        calls.append("rename")
        return rename(self, target)

    def recorded_write(self: SqliteDatabase, statements, key):
        calls.append("row")
        return write(self, statements, key)

    happen(node, 2)
    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "rename", recorded_rename)
    monkeypatch.setattr(SqliteDatabase, "write", recorded_write)
    with few_a_block():
        seal_next(node)
    return calls


SYNCED = ["sync .part", "rename", "sync folder", "row"]


def test_a_file_is_synced_before_its_row(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    assert order_of_effects(node, monkeypatch) == SYNCED


def test_a_planted_row_before_the_sync_of_its_file_is_caught(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "block-unsynced")
    assert order_of_effects(node, monkeypatch) != SYNCED


def test_a_planted_block_without_the_one_before_is_caught(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "block-unchained")
    happen(node, 8)
    with few_a_block():
        seal_all(node)
    assert [finding.what for finding in findings(node)] == ["it does not follow the block before it"]


def test_a_gap_is_not_sealed_over(node: Node) -> None:
    happen(node, 6)
    change(node, "DELETE FROM journal WHERE seq = 4")
    with few_a_block():
        first = seal_next(node)
        assert first is not None
        assert first.last_seq == 3
        with pytest.raises(Damaged, match="records 4 to 4 are gone"):
            seal_next(node)
    assert covered(node) == [1, 2, 3]


def test_an_altered_record_is_not_signed(node: Node) -> None:
    happen(node, 3)
    change(node, "UPDATE journal SET cause = 'other' WHERE seq = 1")
    with few_a_block(), pytest.raises(Damaged, match="altered"):
        seal_next(node)
    assert rows(node) == []


def test_a_file_that_a_crash_left_without_a_row_is_the_next_block(node: Node, clock: FrozenClock) -> None:
    happen(node, 3)
    left = make_block(node.keys, node.journal.since(0), after=None, at=node.now())
    mend(node)  # makes the folder
    write_block_file(file_of(node, 1), left)
    assert findings(node) == []
    happen(node, 3)
    clock.advance(AGE)
    with few_a_block():
        seal_all(node)
    assert rows(node)[0] == left.row
    assert covered(node) == list(range(1, 7))
    assert findings(node) == []


def test_what_an_older_database_does_not_know_is_set_aside_and_shown(
    node: Node, tmp_path: Path, clock: FrozenClock
) -> None:
    """Restored to where block 1 was made, and then other things happen."""
    with few_a_block():
        happen(node, 4)
        seal_all(node)
        node.close()
        shutil.copy(node.state / "meridian.db", tmp_path / "backup.db")
        node = bare_node(tmp_path, "alpha", clock)
        happen(node, 8)
        seal_all(node)
        newer = [file_of(node, n).read_bytes() for n in (2, 3)]
        node.close()
        for name in ("meridian.db", "meridian.db-wal", "meridian.db-shm"):
            (node.state / name).unlink(missing_ok=True)
        shutil.copy(tmp_path / "backup.db", node.state / "meridian.db")
        clock.advance(1)
        node = bare_node(tmp_path, "alpha", clock)
        assert [finding.where for finding in findings(node)] == ["0000000002.jsonl", "0000000003.jsonl"]
        mend(node)
        happen(node, 3)
        seal_all(node)
    assert problems(node) == ["block-set-aside", "block-set-aside"]
    assert sorted(path.read_bytes() for path in blocks_folder(node).glob("*.aside")) == sorted(newer)
    assert findings(node) == []
    assert covered(node) == list(range(1, node.journal.head() + 1))


def test_a_file_that_is_gone_is_made_again_byte_for_byte(node: Node) -> None:
    happen(node, 8)
    with few_a_block():
        seal_all(node)
    before = file_of(node, 1).read_bytes()
    file_of(node, 1).unlink()
    assert [finding.where for finding in findings(node)] == ["block 1"]
    mend(node)
    assert file_of(node, 1).read_bytes() == before
    assert findings(node) == []


def test_a_file_is_not_made_again_from_other_records(node: Node) -> None:
    happen(node, 8)
    with few_a_block():
        seal_all(node)
    file_of(node, 1).unlink()
    change(node, "UPDATE journal SET cause = 'other' WHERE seq = 2")
    with pytest.raises(Damaged, match="not what was sealed"):
        mend(node)
    assert not file_of(node, 1).exists()


def test_a_file_that_is_not_what_its_row_says_is_left_to_verify(node: Node) -> None:
    happen(node, 8)
    with few_a_block():
        seal_all(node)
    file_of(node, 1).write_bytes(file_of(node, 2).read_bytes())
    mend(node)
    assert any("by its row" in finding.what for finding in findings(node))


def test_parts_that_a_crash_left_go(node: Node) -> None:
    mend(node)
    part = blocks_folder(node) / "0000000001.jsonl.0123.part"
    part.touch()
    mend(node)
    assert not part.exists()


def test_of_two_sealers_on_two_machines_one_wins_and_the_other_gives_way(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share the database, and not the folder whose lock keeps them apart."""
    happen(node, 3)
    database = SqliteDatabase(node.state / "meridian.db", node.clock)
    other = replace(node, state=tmp_path / "elsewhere", database=database)
    other = replace(other, journal=Journal(database, node.clock, node.id))
    other.state.mkdir()
    monkeypatch.setattr(chain, "failpoint", lambda name: overtake() if name == "block-written" else None)

    def overtake() -> None:
        monkeypatch.setattr(chain, "failpoint", lambda _: None)
        happen(other, 1)
        assert seal_next(other) is not None

    with few_a_block():
        with pytest.raises(Conflict, match="another sealer was first"):
            seal_next(node)
        assert seal_next(node) is None
    assert covered(node) == [1, 2, 3, 4]
    assert file_of(node, 1).read_bytes() == file_of(other, 1).read_bytes()
    assert findings(node) == findings(other) == []
    database.close()
