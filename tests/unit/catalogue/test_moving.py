"""Rows follow their bytes into a merged pack, all or none; the old packs go when their time has come."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from node.catalogue import moving
from node.catalogue.contents import StoredContents
from node.catalogue.crowding import FEW, Small, choose, find_small
from node.catalogue.fresh import read_fresh
from node.catalogue.moving import RETIRED_FOR, merge_packs, retire_packs
from node.catalogue.registration import register
from node.catalogue.search import InstanceRow
from node.clock import MINUTE
from node.database.port import Statement
from node.errors import Conflict, Damaged, NotFound, Unavailable
from node.journal.cursors import position
from node.node import Node
from node.store.facts import Location
from node.store.packs import index_cursor
from tests.kit.clock import FrozenClock
from tests.kit.merging import (
    KEY,
    associate,
    findings,
    ingest,
    packs_meant,
    read_all,
    repeats,
    retired,
    rows_of,
    scatter,
    slice_of,
)
from tests.kit.planting import planted


def test_all_rows_mean_the_new_pack_and_everything_reads_as_before(node: Node) -> None:
    packs = scatter(node, 12)
    before, rows = read_all(node), rows_of(node)
    merged = merge_packs(node, KEY, packs)
    assert merged.left == {}
    assert packs_meant(node) == {merged.pack}
    assert read_all(node) == before
    places = ("pack", "offset", "data_offset")
    same = [
        replace(row, **{name: getattr(old, name) for name in places})
        for row, old in zip(rows_of(node), rows, strict=True)
    ]
    assert same == rows
    assert findings(node) == []
    assert node.packs.directory.merging() == []


def test_old_packs_stay_ten_minutes_and_then_go_with_their_cursors(node: Node, clock: FrozenClock) -> None:
    packs = scatter(node, 3)
    merged = merge_packs(node, KEY, packs)
    clock.advance(RETIRED_FOR - 1)
    assert retire_packs(node) == clock.now() + 1
    assert set(packs) < set(node.packs.names())
    clock.advance(1)
    assert retire_packs(node) is None
    assert node.packs.names() == [merged.pack]
    assert (retired(node), findings(node)) == ([], [])
    assert [position(node.database, index_cursor(pack)) for pack in packs] == [0, 0, 0]
    assert position(node.database, index_cursor(merged.pack)) > 0


def test_planted_unlinking_at_once_is_caught(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the test before is no empty one: whoever holds a row would find nothing at once."""
    planted(monkeypatch, "merge-unlink-early")
    packs = scatter(node, 3)
    merge_packs(node, KEY, packs)
    retire_packs(node)
    assert set(packs) & set(node.packs.names()) == set()


def test_a_reader_with_an_old_row_finds_the_bytes_again(node: Node, clock: FrozenClock) -> None:
    packs = scatter(node, 3)
    old, before = rows_of(node), read_all(node)
    merge_packs(node, KEY, packs)

    def read(row: InstanceRow) -> bytes:
        return node.packs.read_data_set(row.location)

    stale = [read(row) for row in old]
    clock.advance(RETIRED_FOR)
    retire_packs(node)
    with pytest.raises(NotFound):
        read(old[0])
    assert [read_fresh(node, row, read) for row in old] == stale
    assert read_all(node) == before


def test_a_reader_of_a_pack_that_is_missing_is_told_so(node: Node) -> None:
    scatter(node, 1)
    (row,) = rows_of(node)
    node.packs.path(row.pack).unlink()
    with pytest.raises(FileNotFoundError):
        read_fresh(node, row, lambda row: node.packs.path(row.pack).read_bytes())


def test_a_merge_that_somebody_overtook_leaves_everything(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs = scatter(node, 4)
    before = rows_of(node)
    move = moving._move

    def overtaken(node: Node, *arguments: object) -> None:
        moved = "UPDATE online_instance SET pack = 'node-elsewhere' WHERE sop_uid = '2.25.1.1.2'"
        node.write([Statement(moved)])
        move(node, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(moving, "_move", overtaken)
    with pytest.raises(Conflict):
        merge_packs(node, KEY, packs)
    node.write(
        [Statement("UPDATE online_instance SET pack = ? WHERE pack = 'node-elsewhere'", (before[1].pack,))]
    )
    assert rows_of(node) == before
    assert node.packs.names() == sorted(packs)
    assert (node.packs.directory.merging(), retired(node)) == ([], [])


def test_the_second_of_two_mergers_changes_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    packs = scatter(node, 4)
    move = moving._move

    def second(node: Node, *arguments: object) -> None:
        monkeypatch.setattr(moving, "_move", move)
        merge_packs(node, KEY, packs)  # another process, between this one's copy and its rows
        move(node, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(moving, "_move", second)
    with pytest.raises(Conflict):
        merge_packs(node, KEY, packs)
    assert len(packs_meant(node)) == 1
    assert len(node.packs.names()) == 5
    assert (node.packs.directory.merging(), findings(node)) == ([], [])
    with pytest.raises(Conflict):
        merge_packs(node, KEY, ["node-00000000-0000-7000-8000-000000000000"])


def test_registering_over_rows_that_moved_meanwhile_begins_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a second content would write the old place back, and the bytes would go in ten minutes."""
    packs = scatter(node, 3)
    late = associate(node, slice_of(2, description="Another"), at_s=60)
    records = list(node.packs.marked(late, 0))
    write = node.write
    calls: list[int] = []

    def merged_before(statements: list[Statement], key: str | None = None) -> object:
        calls.append(1)
        if len(calls) == 1:
            merge_packs(node, KEY, packs)
        return write(statements, key)

    slow = replace_write(node, merged_before)
    with pytest.raises(Conflict):
        register(slow, records, cursors=[])
    register(node, records, cursors=[])
    assert findings(node) == []
    assert {row.state for row in rows_of(node) if row.sop_uid == "2.25.1.1.2"} == {"chosen", "conflict"}
    assert len(packs_meant(node)) == 2


def test_repeats_are_copied_and_what_the_catalogue_does_not_know_stays(node: Node) -> None:
    packs = [associate(node, slice_of(n), slice_of(1), at_s=n) for n in (1, 2, 3)]
    odd = associate(node, slice_of(4), b"no data set", at_s=4)
    ingest(node)
    assert (repeats(node), len(node.database.read("SELECT 1 AS one FROM problem"))) == ({"2.25.1.1.1": 3}, 1)
    merged = merge_packs(node, KEY, [*packs, odd])
    assert list(merged.left) == [odd]
    assert len(list(node.packs.marked(merged.pack, 0))) == 6
    assert packs_meant(node) == {merged.pack, odd}
    assert findings(node) == []


def test_a_pack_that_is_not_wholly_registered_stays(node: Node) -> None:
    packs = scatter(node, 3)
    node.packs.directory.land(packs[1])
    assert list(merge_packs(node, KEY, packs).left) == [packs[1]]
    assert packs_meant(node) > {packs[1]}


def test_a_damaged_pack_stays_and_verify_names_it_before_and_after(node: Node) -> None:
    packs = scatter(node, 4)
    flip(node, packs[2])
    before = [finding.where for finding in findings(node)]
    merged = merge_packs(node, KEY, packs)
    assert isinstance(merged.left[packs[2]], Damaged)
    assert [finding.where for finding in findings(node)] == before
    assert len(packs_meant(node)) == 2


def test_verify_names_a_merged_pack_that_was_altered_cut_off_or_taken_away(
    node: Node, tmp_path: Path
) -> None:
    merged = merge_packs(node, KEY, scatter(node, 4))
    path = node.packs.path(merged.pack)
    shutil.copy(path, tmp_path / "whole")
    flip(node, merged.pack)
    assert any("altered" in finding.what for finding in findings(node))
    for bytes_left in (path.stat().st_size - 100, path.stat().st_size // 2):
        shutil.copy(tmp_path / "whole", path)
        os.truncate(path, bytes_left)
        assert findings(node) != []
    path.unlink()
    (finding,) = findings(node)
    assert "4 instances" in finding.what


@pytest.mark.parametrize("when", ["before its list", "behind its list", "between a row and its record"])
def test_verify_that_runs_meanwhile_says_nothing(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    packs, done = scatter(node, 4), []
    names, check = node.packs.names, node.packs.check

    def merged_and_gone() -> None:
        if not done:
            done.append(1)
            merge_packs(node, KEY, packs)
            clock.advance(RETIRED_FOR)
            retire_packs(node)

    def listed() -> list[str]:
        if when == "before its list":
            merged_and_gone()
        found = names()
        if when == "behind its list":
            merged_and_gone()
        return found

    def checked(location: Location) -> object:
        if when == "between a row and its record":
            merged_and_gone()
        return check(location)

    monkeypatch.setattr(node.packs, "names", listed)
    monkeypatch.setattr(node.packs, "check", checked)
    assert findings(node) == []
    assert done


def test_no_merge_without_room(node: Node, clock: FrozenClock) -> None:
    packs = scatter(node, 3)
    node.packs._reserve_bytes = 1 << 60
    with pytest.raises(Unavailable):
        merge_packs(node, KEY, packs)
    assert node.packs.names() == sorted(packs)


def test_an_old_pack_stays_while_its_successor_is_missing(node: Node, clock: FrozenClock) -> None:
    packs = scatter(node, 3)
    merged = merge_packs(node, KEY, packs)
    node.packs.path(merged.pack).unlink()
    clock.advance(RETIRED_FOR)
    retire_packs(node)
    assert node.packs.names() == sorted(packs)


def test_what_a_row_means_is_not_unlinked(node: Node, clock: FrozenClock) -> None:
    packs = scatter(node, 3)
    merge_packs(node, KEY, packs)
    node.write([Statement("UPDATE online_instance SET pack = ? WHERE number = 1", (packs[0],))])
    clock.advance(RETIRED_FOR)
    retire_packs(node)
    assert packs[0] in node.packs.names()
    assert packs[1] not in node.packs.names()


def test_packs_that_crowd_are_chosen_by_door_the_first_first(node: Node) -> None:
    assert choose(find_small(node, KEY)) == []
    packs = scatter(node, FEW)
    assert choose(find_small(node, KEY)) == []
    more = scatter_more(node, 1)
    assert choose(find_small(node, KEY)) == [*packs, *more]
    assert choose(find_small(node, KEY, leave={packs[0]})) == []


def test_a_merge_is_bounded() -> None:
    def small(n: int, *, rows: int = 1, size_bytes: int = 1, door: str = "dicom") -> Small:
        return Small(pack=f"{n}", door=door, rows=rows, size_bytes=size_bytes)

    assert len(choose(small(n) for n in range(500))) == 100
    assert len(choose(small(n, rows=900) for n in range(20))) == 2
    assert len(choose(small(n, size_bytes=100 << 20) for n in range(20))) == 2
    assert choose(small(n, door=f"{n % 2}") for n in range(2 * FEW)) == []
    assert len(choose(small(n, door=f"{n % 2}") for n in range(2 * FEW + 2))) == FEW + 1


def test_ten_minutes_are_ten_minutes() -> None:
    assert RETIRED_FOR == 10 * MINUTE


def scatter_more(node: Node, count: int) -> list[str]:
    packs = [associate(node, slice_of(100 + n), at_s=1000 + n) for n in range(count)]
    ingest(node)
    return packs


def flip(node: Node, pack: str) -> None:
    """Change a bit of the first record's data set."""
    at = next(iter(node.packs.marked(pack, 0))).location.data_offset + 60
    with node.packs.path(pack).open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 4]))


def replace_write(node: Node, write: object) -> Node:
    class Slow(Node):
        __slots__ = ()

    slow = Slow(**{name: getattr(node, name) for name in Node.__dataclass_fields__})
    Slow.write = lambda self, statements, key=None: write(statements, key)  # type: ignore[assignment, operator, method-assign]
    return slow


def test_a_second_content_is_compared_with_the_first_wherever_that_is_now(
    node: Node, clock: FrozenClock
) -> None:
    packs = scatter(node, 3)
    old = rows_of(node)
    told = [(StoredContents(node).normal(row), StoredContents(node).patient(row)) for row in old]
    merge_packs(node, KEY, packs)
    clock.advance(RETIRED_FOR)
    retire_packs(node)
    assert [(StoredContents(node).normal(row), StoredContents(node).patient(row)) for row in old] == told
    assert not any(normal.startswith("unread") or patient is None for normal, patient in told)
