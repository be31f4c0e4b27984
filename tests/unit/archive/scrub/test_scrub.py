"""Both tiers compared and healed: nothing damaged is served, whatever had a second copy is as it was, what had none is listed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from node.archive.archived import copies_of
from node.archive.expiring import expire_study
from node.archive.lifecycle.periods import DAY
from node.archive.scrub.coverage import coverage
from node.archive.scrub.damage import packs_to_heal
from node.archive.scrub.pacing import is_open, is_window, pause_s, step_bytes
from node.archive.scrub.rotation import enrol
from node.archive.scrub.scrubbing import Scrubbed, refresh, scrub_all, scrub_some
from node.catalogue.moving import retire_packs
from node.catalogue.stored import stored_region
from node.clock import MINUTE
from node.errors import Damaged, Unavailable
from node.node import Node
from node.store.directory import is_damaged
from node.store.regions import read_pieces
from tests.kit.archive_stores import Forgetful
from tests.kit.archived_study import (
    COUNT,
    archive,
    expire,
    lies_in_archive,
    read_everything,
    slices,
)
from tests.kit.bare_node import SparingTier, bare_node
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY, associate, findings, ingest, merge_all, packs_meant, rows_of, scatter
from tests.kit.planting import planted


def scrub(node: Node, clock: FrozenClock) -> Scrubbed:
    """Scrub everything, a day later."""
    clock.advance(DAY)
    return scrub_all(node, lambda _: None)


def spoil(path: Path, at: float = 0.5) -> None:
    """Flip one bit, at a part of a file's length."""
    raw = bytearray(path.read_bytes())
    raw[int(len(raw) * at)] ^= 1
    path.write_bytes(raw)


def the_pack(node: Node) -> Path:
    (pack,) = packs_meant(node)
    return node.packs.path(pack)


def package_in(tmp_path: Path, store: int) -> Path:
    (path,) = (tmp_path / "archive" / f"store-{store}").glob("??/*")
    return path


def states(node: Node) -> dict[str, str]:
    rows = node.database.read("SELECT store, state FROM package_copy ORDER BY store")
    return {str(row["store"]): str(row["state"]) for row in rows}


def problems(node: Node, kind: str) -> list[str]:
    rows = node.database.read("SELECT detail FROM problem WHERE kind = ?", (kind,))
    return [str(row["detail"]) for row in rows]


def test_what_is_whole_is_said_to_be_verified(node: Node, clock: FrozenClock) -> None:
    archive(node)
    done = scrub(node, clock)
    assert (done.packs, done.copies, done.damaged) == (1, 2, 0)
    found = coverage(node)
    assert (found.online.count, found.online.recent, found.online.oldest_age) == (1, 1, 0)
    assert (found.archive.count, found.archive.recent, found.archive.oldest_age) == (2, 2, 0)
    clock.advance(31 * DAY)
    assert coverage(node).archive.recent == 0
    assert coverage(node).online.oldest_age == 31 * DAY


def test_what_was_verified_longest_ago_is_compared_first(node: Node, clock: FrozenClock) -> None:
    archive(node)
    clock.advance(DAY)
    associate(node, slices(7)[6])
    ingest(node)
    refresh(node)
    clock.advance(DAY)
    done = scrub_some(node, before=node.now() - DAY - 1, most_bytes=1 << 30)
    assert (done.packs, done.copies) == (1, 2)  # the new pack is not due
    done = scrub_some(node, before=node.now(), most_bytes=1 << 30)
    assert (done.packs, done.copies) == (1, 0)
    assert scrub_some(node, before=node.now(), most_bytes=1 << 30).is_last


def test_a_pack_is_gone_through_by_steps_that_another_process_can_take(
    node: Node, clock: FrozenClock
) -> None:
    clock.advance(DAY)
    enrol(node)
    steps = [scrub_some(node, before=node.now(), most_bytes=1)]
    assert 0 < steps[0].bytes < the_pack(node).stat().st_size // 4
    (row,) = node.database.read("SELECT position FROM scrubbed")
    assert row["position"] == rows_of(node)[1].offset
    while not steps[-1].is_last:
        steps.append(scrub_some(node, before=node.now(), most_bytes=1))
    assert sum(step.packs for step in steps) == 1
    assert len(steps) == COUNT + 1  # the last one finds nothing due


def test_an_open_pack_waits(node: Node, clock: FrozenClock) -> None:
    associate(node, slices(7)[6])
    assert len(node.packs.landing()) == 1
    assert scrub(node, clock).packs == 1


@pytest.mark.parametrize("store", [0, 1])
def test_a_damaged_copy_is_put_again_from_the_other_store(
    node: Node, clock: FrozenClock, tmp_path: Path, store: int
) -> None:
    archive(node)
    before, path = read_everything(node), package_in(tmp_path, store)
    raw = path.read_bytes()
    spoil(path)
    done = scrub(node, clock)
    assert (done.damaged, done.healed, done.lost) == (1, 1, 0)
    assert path.read_bytes() == raw
    assert set(states(node).values()) == {"verified"}
    assert len(problems(node, "archive-copy")) == 1
    assert (coverage(node).archive.damaged, coverage(node).archive.healed) == (0, 1)
    expire(node, clock)
    assert read_everything(node) == before


def test_a_copy_that_is_gone_is_put_again(node: Node, clock: FrozenClock, tmp_path: Path) -> None:
    archive(node)
    package_in(tmp_path, 1).unlink()
    assert scrub(node, clock).healed == 1
    assert package_in(tmp_path, 1).read_bytes() == package_in(tmp_path, 0).read_bytes()


def test_a_store_that_is_away_is_no_damage_and_is_asked_again(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    archive(node)
    store = tmp_path / "archive" / "store-1"
    store.rename(tmp_path / "away")
    assert (scrub(node, clock).damaged, scrub(node, clock).copies) == (0, 1)
    assert states(node) == {"store-0": "verified", "store-1": "verified"}
    (tmp_path / "away").rename(store)
    spoil(package_in(tmp_path, 1))
    assert scrub(node, clock).healed == 1


def test_without_a_whole_copy_what_is_online_is_archived_anew(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    first = archive(node)
    spoil(package_in(tmp_path, 0))
    spoil(package_in(tmp_path, 1), 0.3)
    assert (scrub(node, clock).damaged, scrub(node, clock).lost) == (2, 0)
    (job,) = node.database.read("SELECT DISTINCT name FROM job")
    assert job["name"] == "archive_study"
    second = archive(node)
    assert second.generation == 2
    scrub(node, clock)
    assert not copies_of(node.database, first.digest)  # nobody needs it
    before = read_everything(node)
    expire(node, clock)
    assert read_everything(node) == before


def test_both_copies_bad_is_said_once_and_nothing_is_served(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    archive(node)
    expire(node, clock)
    raw = package_in(tmp_path, 0).read_bytes()
    spoil(package_in(tmp_path, 0))
    spoil(package_in(tmp_path, 1))
    assert scrub(node, clock).lost == 1
    scrub(node, clock)
    (said,) = problems(node, "scrub-lost")
    assert f"{COUNT} instances lie in it alone" in said
    assert f"alpha/{KEY.study_uid}" in said
    with pytest.raises(Damaged, match="no copy of it is whole"):
        read_everything(node)
    assert coverage(node).archive.lost == 2
    package_in(tmp_path, 0).write_bytes(raw)  # somebody brings it back
    scrub(node, clock)
    assert set(states(node).values()) == {"verified"}
    assert len(read_everything(node)) == COUNT


@pytest.mark.parametrize("at", [0.0, 0.05, 0.3, 0.5, 0.7, 0.999])
def test_a_damaged_record_is_healed_from_the_package(node: Node, clock: FrozenClock, at: float) -> None:
    before, digests = read_everything(node), [row.digest for row in rows_of(node)]
    archive(node)
    path = the_pack(node)
    spoil(path, at)
    spoiled = path.read_bytes()
    done = scrub(node, clock)
    assert (done.damaged, done.lost) == (1, 0)
    assert read_everything(node) == before
    assert [row.digest for row in rows_of(node)] == digests
    assert the_pack(node) != path
    assert not path.exists()
    assert (path.parent / "damaged" / path.name).read_bytes() == spoiled
    assert findings(node) == []
    assert scrub(node, clock).damaged == 0
    assert len(problems(node, "damaged-record")) == 1


@pytest.mark.parametrize("left", [0, 100, 4000])
def test_a_pack_cut_off_is_healed(node: Node, clock: FrozenClock, left: int) -> None:
    before = read_everything(node)
    archive(node)
    path = the_pack(node)
    path.write_bytes(path.read_bytes()[:left])
    assert scrub(node, clock).healed >= 1
    assert read_everything(node) == before
    assert findings(node) == []


def test_a_pack_that_is_gone_is_healed_unless_all_are(node: Node, clock: FrozenClock) -> None:
    before = read_everything(node)
    archive(node)
    the_pack(node).rename(the_pack(node).with_suffix(".away"))
    assert scrub(node, clock).damaged == 0  # the disk is not mounted, as it seems
    associate(node, slices(7)[6])
    ingest(node)
    assert scrub(node, clock).healed == COUNT
    assert before.items() <= read_everything(node).items()


def test_a_place_that_the_disk_cannot_read_is_damage(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, bad, pread = read_everything(node), rows_of(node)[2], os.pread
    archive(node)
    inode = the_pack(node).stat().st_ino

    def failing(descriptor: int, size: int, offset: int) -> bytes:
        inside = bad.data_offset < offset + size and offset < bad.data_offset + bad.data_bytes
        if inside and offset >= bad.data_offset and os.fstat(descriptor).st_ino == inode:
            raise OSError(errno.EIO, "Input/output error")
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    assert (scrub(node, clock).healed, scrub(node, clock).damaged) == (1, 0)
    assert read_everything(node) == before


def test_a_pack_that_could_not_be_archived_is_looked_at_at_once(node: Node) -> None:
    flip(the_pack(node), rows_of(node)[2].data_offset + 7)
    with pytest.raises(Unavailable):
        archive(node)
    assert len(packs_to_heal(node)) == 1
    with pytest.raises(Damaged, match="Have it sent again"):
        archive(node)


def test_without_a_package_the_rest_is_saved_and_the_loss_is_listed(node: Node, clock: FrozenClock) -> None:
    before, (row, *others) = read_everything(node), rows_of(node)
    path = the_pack(node)
    flip(path, row.data_offset + 100)
    done = scrub(node, clock)
    assert (done.damaged, done.healed, done.lost) == (1, 0, 1)
    (said,) = problems(node, "scrub-lost")
    assert row.sop_uid in said
    assert not any(other.sop_uid in said.replace(row.sop_uid, "") for other in others)
    for now in rows_of(node):
        if now.sop_uid == row.sop_uid:
            assert is_damaged(now.pack)
            with pytest.raises(Damaged, match="no whole copy"):
                read_pieces([stored_region(node, now)])
        else:
            assert node.packs.check(now.location) == now.digest
    with pytest.raises(Damaged):
        read_pieces([stored_region(node, row)])  # whoever has held the row since before
    assert [finding.what for finding in findings(node)] == [
        "its record is known to be damaged, and it is not served"
    ]
    scrub(node, clock)
    assert len(problems(node, "scrub-lost")) == 1
    assert coverage(node).online.lost == 1
    associate(node, slices()[0])  # its device sends it again
    ingest(node)
    assert read_everything(node) == before
    assert findings(node) == []
    scrub(node, clock)
    assert (coverage(node).online.lost, coverage(node).online.healed) == (0, 1)


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def test_while_the_stores_are_away_it_is_refused_and_healed_later(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    before = read_everything(node)
    archive(node)
    flip(the_pack(node), rows_of(node)[2].data_offset + 7)
    for n in (0, 1):
        (tmp_path / "archive" / f"store-{n}").rename(tmp_path / f"away-{n}")
    assert (scrub(node, clock).healed, problems(node, "scrub-lost")) == (0, [])
    with pytest.raises(Damaged):
        read_everything(node)
    for n in (0, 1):
        (tmp_path / f"away-{n}").rename(tmp_path / "archive" / f"store-{n}")
    assert read_everything(node) == before  # whoever reads it heals it
    assert packs_to_heal(node) == []


def test_a_study_with_a_damaged_record_expires_all_the_same(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    before = read_everything(node)
    archive(node)
    flip(the_pack(node), rows_of(node)[2].data_offset + 7)
    expire_study(node, KEY, reason="age")
    assert scrub(node, clock).damaged == 0  # no row means the pack
    clock.advance(11 * MINUTE)
    retire_packs(node)
    assert lies_in_archive(node)
    assert read_everything(node) == before


def test_packs_that_were_merged_are_known_by_their_new_name(tmp_path: Path, clock: FrozenClock) -> None:
    node = bare_node(tmp_path / "other", "alpha", clock)
    scatter(node, 12)
    refresh(node)
    merge_all(node)
    assert scrub(node, clock).packs == 1
    refresh(node)
    assert coverage(node).online.count == 1
    node.close()


@pytest.mark.parametrize("spoiled", [lambda node, _: the_pack(node), lambda _, path: package_in(path, 0)])
def test_a_planted_belief_without_comparing_is_caught(
    node: Node,
    clock: FrozenClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoiled: Callable[[Node, Path], Path],
) -> None:
    archive(node)
    spoil(spoiled(node, tmp_path))
    planted(monkeypatch, "scrub-believes")
    assert scrub(node, clock).damaged == 0
    monkeypatch.setattr("node.failpoints._PLANTED", frozenset())
    assert scrub(node, clock).damaged == 1


def test_a_planted_healed_copy_that_is_not_read_back_is_caught(
    node: Node, clock: FrozenClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(node)
    package_in(tmp_path, 0).unlink()
    forgetful, other = Forgetful(node.archive.store("store-0")), node.archive.store("store-1")
    node = replace(node, archive=SparingTier(node.archive.folder, [forgetful, other], copies=2))
    assert scrub(node, clock).healed == 0
    assert states(node)["store-0"] == "gone"
    planted(monkeypatch, "heal-unverified")
    assert scrub(node, clock).healed == 1  # believed, and wrong
    monkeypatch.setattr("node.failpoints._PLANTED", frozenset())
    assert scrub(node, clock).damaged == 1


def test_a_planted_serving_of_what_is_known_to_be_damaged_is_caught(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, row = read_everything(node), rows_of(node)[0]
    flip(the_pack(node), row.data_offset + 100)
    planted(monkeypatch, "damaged-served")
    scrub(node, clock)
    assert read_everything(node) != before  # wrong bytes, and nobody says so
    monkeypatch.setattr("node.failpoints._PLANTED", frozenset())
    scrub(node, clock)
    with pytest.raises(Damaged):
        read_everything(node)


def test_the_rate_holds_in_the_mean() -> None:
    assert step_bytes(20) == 40_000_000
    assert step_bytes(0.001) == 1 << 20
    assert pause_s(40_000_000, spent_s=0.5, mb_per_s=20) == 1.5
    assert pause_s(40_000_000, spent_s=9.0, mb_per_s=20) == 0.0


def test_a_window_goes_past_midnight() -> None:
    assert [hour for hour in range(24) if is_open("20-6", hour)] == [0, 1, 2, 3, 4, 5, 20, 21, 22, 23]
    assert [hour for hour in range(24) if is_open("1-3", hour)] == [1, 2]
    assert all(is_open("", hour) for hour in range(24))
    assert [is_window(text) for text in ("", "20-6", "0-24", "24-1", "night", "3")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
