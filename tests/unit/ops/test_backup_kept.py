"""Older backups go, a backup counts when its place has all of it, and what is restored is synced before it has its name."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from node.archive.stores.port import ArchiveStore, Stored
from node.clock import SECOND
from node.errors import Damaged, InvalidRequest, Unavailable
from node.names import Digest
from node.node import Node
from node.watch.backups import last_backup, list_backups
from ops.backup.checking import check_backup
from ops.backup.pruning import prune, prune_known
from tests.kit.archive_stores import Around
from tests.kit.backing import Backed, arrive, wrong_in
from tests.kit.blocks import few_a_block, happen, seal_all
from tests.kit.clock import FrozenClock
from tests.kit.merging import packs_meant
from tests.kit.planting import planted


def test_older_backups_go_and_those_that_stay_are_whole(
    backed: Backed, node: Node, clock: FrozenClock
) -> None:
    made = []
    for n in range(6):
        arrive(node, n + 1, 1)
        made.append(backed.make(node).name)
        clock.advance(16 * 3600 * SECOND)
    place = backed.place()
    pruned = prune(backed.state, place, keep=2, daily=3)
    assert [one.name for one in place.backups()] == [made[5], made[4], made[2]], (
        "two, and the newest of another day"
    )
    assert (pruned.backups, pruned.kept) == (3, 3)
    assert pruned.objects > 0
    for signed in place.backups():
        assert list(check_backup(place, signed)) == []
    arrive(node, 7, 1)
    assert backed.make(node).manifest.parent == made[5]
    assert wrong_in(backed.restore().state) == []
    with pytest.raises(InvalidRequest, match="none would stay"):
        prune(backed.state, place, keep=0, daily=0)


def test_nothing_is_removed_while_one_that_stays_is_not_whole(backed: Backed, node: Node) -> None:
    backed.make(node)
    newest = backed.make(node)
    (backed.folder / "backups" / "objects" / newest.manifest.table[:2] / newest.manifest.table).unlink()
    before = backed.objects()
    with pytest.raises(Damaged):
        prune(backed.state, backed.place(), keep=1, daily=0)
    assert backed.objects() == before
    assert len(backed.place().backups()) == 2


def removed(node: Node) -> list[Digest]:
    """Give the backups that the node remembers to be gone."""
    return [one.backup for one in list_backups(node.database) if one.removed_at is not None]


def test_a_node_remembers_which_backups_it_removed(backed: Backed, node: Node) -> None:
    made = [backed.make(node).name for _ in range(3)]
    pruned = prune_known(node, backed.place(), keep=1, daily=0)
    assert set(pruned.names) == set(removed(node)) == set(made[:2])
    assert prune_known(node, backed.place(), keep=1, daily=0).names == ()


def test_it_remembers_none_whose_removal_did_not_end(
    backed: Backed, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        backed.make(node)

    class Failing(Around):
        def remove(self, stored_name: Digest) -> None:
            raise Unavailable(f"Removing {stored_name} failed: the place went away.")

    place = replace(backed.place(), objects=Failing(backed.place().objects))
    with pytest.raises(Unavailable):
        prune_known(node, place, keep=1, daily=0)
    assert removed(node) == []


def test_a_planted_memory_of_a_removal_that_did_not_end_is_caught(
    backed: Backed, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "removal-remembered-early")
    with pytest.raises(AssertionError):
        test_it_remembers_none_whose_removal_did_not_end(backed, node, monkeypatch)


def test_blocks_are_in_the_backup_as_far_as_its_journal_goes(backed: Backed, node: Node) -> None:
    with few_a_block():
        happen(node, 9)
        sealed = seal_all(node)
        assert sealed > 1

        def goes_on(what: str, count: int) -> None:
            if what == "rows":
                happen(node, 9)
                assert seal_all(node) > 0

        backed.make(node, progress=goes_on)
    state = backed.restore().state
    assert len(list((state / "blocks").iterdir())) == sealed
    assert wrong_in(state) == []


def test_a_damaged_pack_is_copied_as_it_lies(backed: Backed, node: Node) -> None:
    arrive(node, 1, 1)
    (pack,) = packs_meant(node)
    path = node.packs.path(pack)
    raw = path.read_bytes()
    path.write_bytes(raw[:100] + bytes((raw[100] ^ 1,)) + raw[101:])
    backed.make(node)
    restored = backed.restore().state / "packs" / path.name
    assert restored.read_bytes() == path.read_bytes()


def test_a_backup_counts_when_its_place_has_all_of_it(backed: Backed, node: Node) -> None:
    assert _newest_after_a_failure(backed, node) == []


def test_a_planted_manifest_before_its_objects_is_caught(
    backed: Backed, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "backup-unsynced")
    assert _newest_after_a_failure(backed, node)


def test_a_backup_is_remembered_when_it_counts(backed: Backed, node: Node) -> None:
    assert _remembered(backed, node) == [False, True]


def test_a_planted_memory_of_a_backup_that_does_not_count_is_caught(
    backed: Backed, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "backup-remembered-early")
    assert _remembered(backed, node) != [False, True]


def _remembered(backed: Backed, node: Node) -> list[bool]:
    """Let a manifest be refused, then a backup be made; say after each whether one is remembered."""
    arrive(node, 1, 1)
    place = backed.place()
    with pytest.raises(Unavailable):
        backed.make(node, place=replace(place, manifests=Refusing(place.manifests, 1)))
    before = last_backup(node.database)
    made = backed.make(node, place=place)
    after = last_backup(node.database)
    return [before is not None, after is not None and (after.backup, after.place) == (made.name, place.label)]


class Refusing(Around):
    """A store that is gone when it is asked to keep something for the n-th time."""

    def __init__(self, inner: ArchiveStore, n: int) -> None:
        super().__init__(inner)
        self.left = n

    def put(self, package: Digest, file: Path) -> Stored:
        self.left -= 1
        if not self.left:
            raise Unavailable("The place is gone.")
        return super().put(package, file)


def _newest_after_a_failure(backed: Backed, node: Node) -> list[str]:
    """Let objects be refused at one put after the other; give what is wrong with the newest backup after each."""
    wrong: list[str] = []
    for n in range(1, 6):
        arrive(node, n, 1)
        place = backed.place()
        with suppress(Unavailable):
            backed.make(node, place=replace(place, objects=Refusing(place.objects, n)))
        for signed in place.backups()[:1]:
            wrong += check_backup(place, signed)
    return wrong


def test_what_is_restored_is_synced_before_it_has_its_name(
    backed: Backed, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _unsynced_at_the_name(backed, node, monkeypatch) == set()


def test_a_planted_restore_without_a_sync_is_caught(
    backed: Backed, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "restore-unsynced")
    assert _unsynced_at_the_name(backed, node, monkeypatch)


def _unsynced_at_the_name(backed: Backed, node: Node, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Give the files below the folder that were not synced when it got its name."""
    arrive(node, 1, 1)
    backed.make(node)
    synced: set[str] = set()
    missing: set[str] = set()
    fsync, rename = os.fsync, Path.rename

    def recorded_fsync(descriptor: int) -> None:
        synced.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def recorded_rename(self: Path, target: Path) -> Path:
        if self.name.endswith(".restoring"):
            missing.update(str(path) for path in self.rglob("*.pack") if str(path) not in synced)
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "rename", recorded_rename)
    backed.restore()
    return missing
