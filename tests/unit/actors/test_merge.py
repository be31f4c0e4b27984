"""Studies that came in many packs are merged once they are complete; old packs go when they are due, whoever restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors import merge
from actors.merge import READER, Merge
from node.catalogue import crowding, moving
from node.catalogue.crowding import FEW
from node.catalogue.moving import RETIRED_FOR
from node.clock import SECOND
from node.database.port import Statement
from node.errors import Conflict
from node.journal.cursors import position
from node.names import Cause, Subject
from node.node import Node
from tests.kit.actors import Failures, eventually
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.merging import (
    associate,
    complete,
    findings,
    ingest,
    merge_all,
    packs_meant,
    read_all,
    scatter,
    slice_of,
)


def test_sixty_packs_of_one_study_become_one(node: Node, clock: FrozenClock) -> None:
    scatter(node, 60)
    before = read_all(node)
    assert merge_all(node) == Merge.POLL_S
    assert len(packs_meant(node)) == 1
    assert len(node.packs.names()) == 61
    clock.advance(RETIRED_FOR - 10 * SECOND)
    assert merge_all(node) == pytest.approx(10.0)
    clock.advance(10 * SECOND)
    assert merge_all(node) is None
    assert len(node.packs.names()) == 1
    assert (read_all(node), findings(node)) == (before, [])


def test_a_few_packs_stay_as_they_are(node: Node) -> None:
    packs = scatter(node, FEW)
    assert merge_all(node) is None
    assert node.packs.names() == sorted(packs)
    assert position(node.database, READER) > 0


def test_a_study_that_still_receives_waits_for_its_next_completion(node: Node) -> None:
    scatter(node, FEW + 1)
    associate(node, slice_of(99), at_s=99)
    ingest(node)  # before the actor looked
    merge_all(node)
    assert len(packs_meant(node)) == FEW + 2
    complete(node)
    merge_all(node)
    assert len(packs_meant(node)) == 1


def test_what_comes_later_is_merged_when_it_crowds_again(node: Node) -> None:
    scatter(node, FEW + 1)
    merge_all(node)
    for n in range(101, 101 + FEW - 1):
        associate(node, slice_of(n), at_s=n)
    ingest(node)
    complete(node)
    merge_all(node)
    assert len(packs_meant(node)) == FEW  # one merged, and a few that came after
    associate(node, slice_of(200), at_s=200)
    ingest(node)
    complete(node)
    merge_all(node)
    assert len(packs_meant(node)) == 1
    assert findings(node) == []


def test_one_step_is_one_merge(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowding, "PACKS_AT_ONCE", 5)
    scatter(node, 13)
    actor = Merge(Failures(), node)
    assert actor.step() == 0
    assert len(packs_meant(node)) == 9
    assert actor.step() == 0
    assert len(packs_meant(node)) == 5


def test_old_packs_go_some_at_a_time(node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "RETIRED_AT_ONCE", 4)
    scatter(node, FEW + 1)
    merge_all(node)
    clock.advance(RETIRED_FOR)
    actor = Merge(Failures(), node)
    left = []
    while actor.step() == 0:
        left.append(len(node.packs.names()))
    assert left == [6, 2]
    assert len(node.packs.names()) == 1


def test_doors_are_kept_apart(node: Node) -> None:
    scatter(node, FEW + 1)
    for n in range(101, 101 + FEW + 1):
        associate(node, slice_of(n), at_s=n, door="import")
    ingest(node)
    complete(node)
    merge_all(node)
    doors = node.database.read("SELECT DISTINCT pack, door FROM instance")
    assert len({row["pack"] for row in doors}) == len(doors) == 2


def test_a_damaged_pack_is_shown_once_and_the_others_are_merged(node: Node) -> None:
    packs = scatter(node, FEW + 2)
    at = next(iter(node.packs.marked(packs[3], 0))).location.data_offset + 60
    with node.packs.path(packs[3]).open("r+b") as file:
        file.seek(at)
        file.write(b"~")
    before = [finding.where for finding in findings(node)]
    merge_all(node)
    merge_all(node)
    assert packs[3] in packs_meant(node)
    assert len(packs_meant(node)) == 2
    shown = node.database.read("SELECT subject FROM problem WHERE kind = 'damaged-pack'")
    assert shown == [{"subject": f"pack/{packs[3]}"}]
    assert [finding.where for finding in findings(node)] == before


def test_due_times_survive_a_restart(tmp_path: Path, clock: FrozenClock) -> None:
    node = bare_node(tmp_path, "alpha", clock)
    scatter(node, FEW + 1)
    merge_all(node)
    node.close()
    clock.advance(RETIRED_FOR)
    node = bare_node(tmp_path, "alpha", clock)
    merge_all(node)
    assert len(node.packs.names()) == 1
    node.close()


def test_two_of_a_kind_are_safe(node: Node) -> None:
    scatter(node, 30)
    before = read_all(node)
    failures = Failures()
    actors = [Merge.start(failures, node) for _ in range(2)]
    try:
        eventually(lambda: len(packs_meant(node)) == 1, timeout_s=60)
    finally:
        for actor in actors:
            actor.stop()
    assert (failures.told, read_all(node), findings(node)) == ([], before, [])
    assert node.packs.directory.merging() == []


def test_an_overtaken_step_begins_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    scatter(node, FEW + 1)
    calls: list[int] = []
    merge_packs = merge.merge_packs

    def overtaken(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise Conflict("somebody was first")
        return merge_packs(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(merge, "merge_packs", overtaken)
    actor = Merge(Failures(), node)
    with pytest.raises(Conflict):
        actor.step()
    while actor.step() == 0:
        continue
    assert len(packs_meant(node)) == 1


def test_the_cursor_does_not_lag_behind_a_journal_without_completions(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "UNWRITTEN", 5)
    for n in range(10):
        node.write(node.problem("nothing", about=f"{n}", detail="Nothing.", cause=Cause("c")))
    merge_all(node)
    assert position(node.database, READER) == 10
    node.write([Statement("DELETE FROM problem")])
    assert node.journal.version(Subject("study/alpha/2.25.1")) == 0
    assert Merge(Failures(), node).step() is None
