"""What a crash or a restore left of merging: settled so that nothing is lost, and nothing counted twice."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from node.catalogue import moving
from node.catalogue.moving import RETIRED_FOR, merge_packs, retire_packs, settle_merges
from node.database.port import Statement
from node.database.sqlite import SqliteDatabase
from node.journal.records import Journal
from node.names import StudyKey
from node.node import Node
from node.store.merging import MergedPack
from tests.kit.clock import FrozenClock
from tests.kit.merging import (
    KEY,
    associate,
    findings,
    ingest,
    read_all,
    repeats,
    retired,
    rows_of,
    scatter,
    slice_of,
)


def test_settling_twice_and_over_nothing_changes_nothing(node: Node) -> None:
    merge_packs(node, KEY, scatter(node, 3))
    names = node.packs.names()
    settle_merges(node)
    settle_merges(node)
    assert node.packs.names() == names


def test_a_new_index_finds_the_same_rows_whether_old_packs_are_still_here_or_not(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    packs = [associate(node, slice_of(n), slice_of(1), at_s=n) for n in range(1, 5)]
    ingest(node)
    first = merge_packs(node, KEY, packs[:2])
    merge_packs(node, KEY, [*packs[2:], first.pack])
    for n, wait in enumerate((0, RETIRED_FOR)):
        clock.advance(wait)
        retire_packs(node)
        rebuilt = anew(node, tmp_path / f"{n}.db")
        ingest(rebuilt)
        assert retired(rebuilt) == (retired(node) if not n else [])
        assert contents(rebuilt) == contents(node)
        assert repeats(rebuilt) == repeats(node) == {"2.25.1.1.1": 4}
        assert read_all(rebuilt) == read_all(node)
        assert findings(rebuilt) == []
        rebuilt.database.close()


def test_an_older_index_follows_into_merged_packs_and_registers_the_rest(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    """As after a restore: the backup knows some of the packs that were merged since, and nothing of the merges."""
    early = scatter(node, 3)
    late = [associate(node, slice_of(n), slice_of(1), at_s=n) for n in (4, 5)]
    with_backup(node, tmp_path / "older.db")
    ingest(node)
    first = merge_packs(node, KEY, [*early, late[0]])
    merge_packs(node, KEY, [late[1], first.pack])
    clock.advance(RETIRED_FOR)
    retire_packs(node)
    restored = anew(node, tmp_path / "older.db")
    assert findings(restored) != []
    ingest(restored)
    assert findings(restored) == []
    assert read_all(restored) == read_all(node)
    assert repeats(restored) == repeats(node) == {"2.25.1.1.1": 2}
    restored.database.close()


def test_old_packs_that_a_backup_brings_back_are_not_counted_again(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    packs = [associate(node, slice_of(n), slice_of(1), at_s=n) for n in range(1, 4)]
    ingest(node)
    merged = merge_packs(node, KEY, packs)
    for pack in packs:
        shutil.copy(node.packs.path(pack), tmp_path)  # as a copy does that never deletes
    clock.advance(RETIRED_FOR)
    retire_packs(node)
    before = rows_of(node), repeats(node)
    for pack in packs:
        shutil.copy(tmp_path / f"{pack}.pack", node.packs.path(pack))
    for pack in node.packs.names():
        node.packs.directory.land(pack)
    ingest(node)
    assert ((rows_of(node), repeats(node)), findings(node)) == (before, [])
    clock.advance(RETIRED_FOR)
    retire_packs(node)
    assert node.packs.names() == [merged.pack]


def test_a_batch_that_comes_after_its_pack_was_settled_moves_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs = scatter(node, 3)
    before = rows_of(node)
    move = moving._move

    def late(node: Node, key: StudyKey, merged: MergedPack, taken: dict[str, tuple[int, int]]) -> None:
        node.database.write(
            [], f"merge/{merged.name}"
        )  # as whoever settles asks for the key, and so takes it
        move(node, key, merged, taken)

    monkeypatch.setattr(moving, "_move", late)
    merge_packs(node, KEY, packs)
    assert rows_of(node) == before
    settle_merges(node)
    assert (rows_of(node), node.packs.names(), findings(node)) == (before, sorted(packs), [])


def test_a_pack_whose_batch_was_not_written_is_removed_and_its_batch_refused_from_then_on(node: Node) -> None:
    packs = scatter(node, 3)
    name = left_by_a_crash(node, packs)
    settle_merges(node)
    assert node.packs.names() == sorted(packs)
    assert node.database.write([Statement("DELETE FROM problem")], f"merge/{name}").repeated


def test_a_merged_pack_that_a_restore_brought_without_its_sources_stays_and_is_registered(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    """The copy was taken while packs were merged, and the old ones were gone before it came to them."""
    packs = scatter(node, 3)
    before = read_all(node)
    name = left_by_a_crash(node, packs)
    for pack in packs:
        node.packs.path(pack).unlink()
    settle_merges(node)
    assert (node.packs.names(), node.packs.landing()) == ([name], [name])
    ingest(node)
    assert (read_all(node), findings(node)) == (before, [])


def contents(node: Node) -> list[tuple[str, str, str]]:
    return [(row.sop_uid, row.digest, row.state) for row in rows_of(node)]


def with_backup(node: Node, path: Path) -> None:

    with sqlite3.connect(node.state / "meridian.db") as source, sqlite3.connect(path) as target:
        source.backup(target)


def anew(node: Node, database: Path) -> Node:
    """Put another database beside the packs, all of which the index is to look at again, as the runbook says."""
    for name in node.packs.names():
        node.packs.directory.land(name)
    other = SqliteDatabase(database, node.clock)
    return replace(node, database=other, journal=Journal(other, node.clock, node.id))


def left_by_a_crash(node: Node, packs: list[str]) -> str:
    """Copy packs into one that has its name, as a crash before the rows leaves it; give it."""
    merged = MergedPack(node.packs, node.clock)
    for pack in packs:
        merged.take(pack, list(node.packs.marked(pack, 0)))
    merged.finish()
    merged.release()
    return merged.name
