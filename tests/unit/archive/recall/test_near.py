"""A recall from a store that is not near: what is read there, and what becomes of it when the store does not give it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from node.archive.archived import copies_of, peek_archived
from node.archive.copies import open_package
from node.archive.package.manifest import MANIFEST
from node.archive.recall import gathered, ranges
from node.archive.recall import portions as cutting
from node.archive.recall.gathered import Gathered
from node.archive.recall.ranges import Span
from node.archive.recall.recalling import bring
from node.catalogue.search import instances_of
from node.database.port import Statement
from node.errors import Damaged, Unavailable
from node.names import Digest
from node.node import Node
from tests.kit.archive_stores import Far
from tests.kit.archived_study import archive, expire, lies_in_archive, read_everything, slices
from tests.kit.bare_node import SparingTier, bare_archive, bare_node
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY, STUDY, associate, complete, findings, ingest, rows_of
from tests.kit.planting import planted

BLOCK = 256
COUNT = 8
FIRST, SECOND_SERIES = f"{STUDY}.1", f"{STUDY}.2"
Stores = tuple[Far, Far]


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    first, second = bare_archive(tmp_path / "archive", stores=2).stores
    return Far(first), Far(second)


@pytest.fixture
def node(
    tmp_path: Path, clock: FrozenClock, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Node]:
    """A node with a study of three series, in two stores elsewhere alone; a block holds a part of an instance."""
    for module in (ranges, gathered):
        monkeypatch.setattr(module, "BLOCK_BYTES", BLOCK)
    tier = SparingTier(tmp_path / "archive", stores, copies=2, yields=False)
    node = replace(bare_node(tmp_path, "alpha", clock), archive=tier)
    associate(node, *(one for series in (1, 2, 3) for one in slices(COUNT, series=series)))
    ingest(node)
    complete(node)
    archive(node)
    expire(node, clock)
    for store in stores:
        store.forget()
    yield node
    node.close()


def digest_of_package(node: Node) -> Digest:
    found = peek_archived(node.database, KEY)
    assert found is not None
    return found.digest


def extents(node: Node, series_uid: str) -> list[tuple[int, int]]:
    """Give where the members of a series lie, and let nobody count that."""
    rows = instances_of(node.database, KEY, series_uid, chosen_only=False)
    with open_package(node, digest_of_package(node)) as package:
        return [package.extent(row.offset) for row in rows]


def states(node: Node) -> dict[str, str]:
    return {copy.store: copy.state for copy in copies_of(node.database, digest_of_package(node))}


def digests(node: Node) -> dict[str, str]:
    """Give the digest of each instance as a file; what lies away is brought for that."""
    return {sop_uid: digest for (sop_uid, _), digest in read_everything(node).items()}


def bring_series(node: Node, series_uid: str = SECOND_SERIES) -> None:
    bring(node, KEY, who="", why="read", series_uid=series_uid)


def is_read_twice(store: Far) -> bool:
    ordered = sorted(store.read)
    return any(at + length > after for (at, length), (after, _) in pairwise(ordered))


def test_of_a_series_its_members_are_read_and_what_the_package_says_of_itself(
    node: Node, stores: Stores
) -> None:
    places = extents(node, SECOND_SERIES)
    with open_package(node, digest_of_package(node)) as package:
        size, told = package.source.size, package.stored_bytes(MANIFEST)
    stores[0].forget()
    bring_series(node)
    held = sum(end - begin for begin, end in places)
    assert not is_read_twice(stores[0])
    assert held < stores[0].read_bytes < 1.2 * held + told + 8 * BLOCK < size
    behind = places[-1][1] + BLOCK
    assert not [at for at, length in stores[0].read if at + length < places[0][0] - BLOCK]
    assert [at for at, _ in stores[0].read if at > behind]  # what it says of itself stands at its end
    assert (stores[0].whole, stores[1].read) == (0, [])
    assert len([row for row in rows_of(node) if row.series_uid == SECOND_SERIES]) == COUNT
    assert findings(node) == []


def test_what_comes_so_is_what_was_received(node: Node, clock: FrozenClock) -> None:
    before = digests(node)
    expire(node, clock)
    bring_series(node)
    assert digests(node) == before


def test_what_came_for_the_first_portion_is_not_fetched_for_the_next(
    node: Node, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_portions(node, monkeypatch)
    assert not is_read_twice(stores[0])
    assert not lies_in_archive(node)


def test_a_planted_portion_that_fetches_all_again_is_caught(
    node: Node, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "fetched-again")
    in_portions(node, monkeypatch)
    assert is_read_twice(stores[0])


def in_portions(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "SPLIT_BYTES", 0)
    bring(node, KEY, who="", why="asked")


def test_a_store_that_goes_away_on_the_way_gives_place_to_the_next_and_what_came_stays(
    node: Node, stores: Stores
) -> None:
    stores[0].fails_after = 6_000
    bring_series(node)
    assert stores[0].read
    assert stores[1].read
    assert not set(stores[0].read) & set(stores[1].read)
    assert states(node) == {"store-0": "verified", "store-1": "verified"}
    assert findings(node) == []


def test_where_every_store_goes_away_nothing_is_registered_and_it_is_said(node: Node, stores: Stores) -> None:
    packs = node.packs.names()
    for store in stores:
        store.fails_after = 6_000
    with pytest.raises(Unavailable, match="no store has it now"):
        bring_series(node)
    assert lies_in_archive(node)
    assert node.packs.names() == packs
    assert not [*(node.archive.folder / "work").iterdir()]
    for store in stores:
        store.fails_after = None
    bring_series(node)
    assert not lies_in_archive(node)


@pytest.mark.parametrize("how", ["flipped", "short", "another", "no package"])
def test_a_copy_that_is_not_what_it_was_is_noted_and_the_next_one_taken(
    node: Node, clock: FrozenClock, tmp_path: Path, how: str
) -> None:
    before = digests(node)
    expire(node, clock)
    spoil(node, tmp_path, how, stores=("store-0",))
    bring_series(node)
    assert states(node) == {"store-0": "damaged", "store-1": "verified"}
    assert digests(node) == before
    assert node.database.read("SELECT 1 AS shown FROM problem WHERE kind = 'archive-copy'")


@pytest.mark.parametrize("how", ["flipped", "short", "another", "no package"])
def test_where_no_copy_is_what_it_was_nothing_comes(node: Node, tmp_path: Path, how: str) -> None:
    packs = node.packs.names()
    spoil(node, tmp_path, how, stores=("store-0", "store-1"))
    with pytest.raises(Damaged, match="no copy of it is whole"):
        bring_series(node)
    assert lies_in_archive(node)
    assert node.packs.names() == packs
    assert set(states(node).values()) == {"damaged"}


def spoil(node: Node, folder: Path, how: str, *, stores: tuple[str, ...]) -> None:
    """Let stores have something else under the package's name."""
    digest = digest_of_package(node)
    begin, end = extents(node, SECOND_SERIES)[3]
    for store in stores:
        (path,) = folder.glob(f"**/{store}/{digest[:2]}/{digest}")
        raw = bytearray(path.read_bytes())
        if how == "flipped":
            raw[(begin + end) // 2] ^= 1
        elif how == "short":
            del raw[-100:]
        elif how == "another":  # of the same length: two members have changed their places
            first, second = (extents(node, series)[0] for series in (FIRST, SECOND_SERIES))
            length = min(first[1] - first[0], second[1] - second[0])
            a, b = slice(first[0], first[0] + length), slice(second[0], second[0] + length)
            raw[a], raw[b] = raw[b], raw[a]
        else:
            raw = bytearray(len(raw))
        path.write_bytes(raw)


def test_file_meta_that_a_far_copy_has_otherwise_does_not_come_back(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    assert file_meta_after_damage(node, clock, tmp_path) == {True}


def test_a_planted_member_of_a_far_copy_that_is_not_compared_is_caught(
    node: Node, clock: FrozenClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "member-uncompared")
    assert False in file_meta_after_damage(node, clock, tmp_path)


def file_meta_after_damage(node: Node, clock: FrozenClock, folder: Path) -> set[bool]:
    """Say whether files came back as they were, with one bit of a member's beginning flipped, once for each of a few bits."""
    before = digests(node)
    digest = digest_of_package(node)
    (path,) = folder.glob(f"**/store-0/{digest[:2]}/{digest}")
    whole = path.read_bytes()
    number = instances_of(node.database, KEY, SECOND_SERIES)[0].sop_uid
    with open_package(node, digest) as package:
        at = package.content(package.find(number))[0]
    found = set()
    for offset in range(at + 56, at + 76, 4):  # among them bits that still inflate, to other file meta
        expire(node, clock)
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        bring_series(node)
        found.add(digests(node) == before)
        path.write_bytes(whole)
        node.write([Statement("UPDATE package_copy SET state = 'verified'")])
    return found


def test_a_planted_block_that_is_believed_to_be_here_is_caught_by_its_members(
    node: Node, stores: Stores, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digests(node)
    expire(node, clock)
    stores[0].forget()
    planted(monkeypatch, "block-believed")
    bring_series(node)
    assert stores[0].whole == 1  # all of it was asked for then
    assert digests(node) == before


def test_a_planted_habit_of_fetching_all_is_caught(
    node: Node, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "always-whole")
    bring_series(node)
    assert stores[0].whole == 1


def test_a_large_member_comes_through_a_bounded_memory(tmp_path: Path) -> None:
    far = Zeros(100 << 20)
    one = Gathered(far, tmp_path / "package.zip")
    one.plan([Span(5, far.size)])
    one.fetch(Span(5, far.size))
    assert max(far.lengths) == 8 << 20
    assert sum(far.lengths) == far.size
    assert one.read_at(far.size - 10, 10) == bytes(10)
    one.close()
    assert sum(far.lengths) == far.size


class Zeros:
    """A large package, without its bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.lengths: list[int] = []

    def read_at(self, offset: int, length: int) -> bytes:
        self.lengths.append(length)
        return bytes(length)

    def close(self) -> None:
        """Nothing is held."""
