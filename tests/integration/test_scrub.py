"""Bits, ends and blocks of packs and packages spoiled by chance: one scrub finds each, heals what has a whole copy, serves none.

60 in each run; 1,000 with ``MERIDIAN_LONG=1``. Then the same ended by kill -9.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from node.archive.archiving import archive_study
from node.archive.lifecycle.periods import DAY
from node.archive.recall.recalling import bring
from node.archive.scrub.coverage import coverage
from node.clock import SystemClock
from node.errors import Damaged
from node.names import StudyKey
from node.node import Node
from ops.verify_archive import verify_archive
from ops.verify_packs import verify_packs
from tests.kit.bare_node import two_stores
from tests.kit.clock import FrozenClock
from tests.kit.scrubbing import (
    SLICES,
    STORES,
    copy_of,
    hold_studies,
    leave_to_archive,
    pack_of,
    read_online,
    read_packages,
    rows_of,
    scrub,
    spoil,
)

ROOT = Path(__file__).parents[2]
SPOILED = 1000 if os.environ.get("MERIDIAN_LONG") else 60
STUDIES = 10
SEED = 20260401
Read = dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A node, its studies, those of them in the archive alone, and what all of it was."""

    node: Node
    clock: FrozenClock
    keys: list[StudyKey]
    away: list[StudyKey]
    whole: Read


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    clock = FrozenClock()
    node = two_stores(tmp_path, clock)
    keys = hold_studies(node, STUDIES)
    whole = read_online(node, keys)
    leave_to_archive(node, clock, keys[: STUDIES // 2])
    yield House(node=node, clock=clock, keys=keys, away=keys[: STUDIES // 2], whole=whole)
    node.archive.close()
    node.close()


def test_each_damage_is_found_by_one_scrub_and_healed_and_all_reads_as_before(house: House) -> None:
    node, random, spoiled = house.node, Random(SEED), 0
    while spoiled < SPOILED:
        said = [
            spoil(path, random) for key in house.keys for path in _victims(node, key, random, whole_copies=1)
        ]
        spoiled += len(said)
        house.clock.advance(DAY)
        done = scrub(node)
        assert (done.damaged, done.lost) == (len(said), 0), said
        _check(house, said)
    online = {key.study_uid for key in house.keys if pack_of(node, key) is not None}
    assert online == {key.study_uid for key in house.keys[STUDIES // 2 :]}
    for key in house.keys:
        bring(node, key, who="", why="read")
    assert read_online(node, house.keys) == house.whole


def _victims(node: Node, key: StudyKey, random: Random, *, whole_copies: int) -> list[Path]:
    """Choose files of a study to spoil; some copies of all its packages stay, and its pack may be among the spoiled."""
    copies = random.sample(range(STORES), random.randint(0, STORES - whole_copies))
    pack = pack_of(node, key)
    paths = [copy_of(node, key, n) for n in copies]
    return [*paths, pack] if pack is not None and random.random() < 0.6 else paths


def _check(house: House, said: list[str]) -> None:
    read = read_online(house.node, house.keys)
    assert len(read) == SLICES * (STUDIES - STUDIES // 2), said
    assert read.items() <= house.whole.items(), said
    for of_store in read_packages(house.node, house.keys):
        assert of_store == house.whole, said
    assert [*verify_packs(house.node), *verify_archive(house.node)] == [], said


def test_what_is_online_is_archived_anew_when_no_copy_is_whole(house: House) -> None:
    node, random = house.node, Random(SEED)
    online = house.keys[STUDIES // 2 :]
    for key in online:
        for n in range(STORES):
            spoil(copy_of(node, key, n), random)
    house.clock.advance(DAY)
    assert (scrub(node).damaged, scrub(node).lost) == (STORES * len(online), 0)
    jobs = node.database.read("SELECT args FROM job WHERE name = 'archive_study'")
    assert len(jobs) == len(online)
    for key in online:
        archive_study(node, origin=key.origin, study_uid=key.study_uid)
    house.clock.advance(DAY)
    scrub(node)
    _check(house, [])


def test_what_has_no_whole_copy_is_listed_and_gives_no_wrong_byte(house: House) -> None:
    node, random = house.node, Random(SEED)
    lost = [house.keys[0], house.keys[-1]]
    for key in lost:
        for path in [*(copy_of(node, key, n) for n in range(STORES)), pack_of(node, key)]:
            if path is not None:
                spoil(path, random)
    house.clock.advance(DAY)
    assert scrub(node).damaged == 2 * STORES + 1
    said = [
        str(row["detail"])
        for row in node.database.read("SELECT detail FROM problem WHERE kind = 'scrub-lost'")
    ]
    for key in lost:
        assert sum(f"alpha/{key.study_uid}" in each for each in said) >= 1
    assert coverage(node).archive.lost == STORES
    assert coverage(node).online.lost >= 1
    refused = 0
    for key in house.keys:
        try:
            bring(node, key, who="", why="read")
            read = read_online(node, [key])
        except Damaged:
            refused += 1
            continue
        assert read.items() <= house.whole.items()
    assert refused == len(lost)


POINTS = ("merge-copied", "merge-named", "merge-moved", "scrub-healed", "copy-mended")


@pytest.mark.parametrize("failpoint", POINTS)
def test_kill_9_while_healing_leaves_what_the_next_scrub_ends(tmp_path: Path, failpoint: str) -> None:
    clock = FrozenClock()
    node = two_stores(tmp_path, clock)
    keys = hold_studies(node, 2)
    before = read_online(node, keys)
    pack = pack_of(node, keys[0])
    assert pack is not None
    _flip(pack, rows_of(node, keys[0])[1].data_offset)
    _flip(copy_of(node, keys[1], 0), 100)
    node.archive.close()
    node.close()
    assert _walk(tmp_path, failpoint) == -9
    node = two_stores(tmp_path, SystemClock())
    assert read_online(node, keys[1:]).items() <= before.items()
    node.close()
    assert _walk(tmp_path) == 0
    node = two_stores(tmp_path, SystemClock())
    try:
        assert read_online(node, keys) == before
        assert all(of_store == before for of_store in read_packages(node, keys))
        assert [*verify_packs(node), *verify_archive(node)] == []
        assert not pack.exists()
        assert (pack.parent / "damaged" / pack.name).exists()
        assert node.packs.directory.merging() == []
        assert (coverage(node).online.damaged, coverage(node).archive.damaged) == (0, 0)
    finally:
        node.archive.close()
        node.close()


def _walk(folder: Path, failpoint: str = "") -> int:
    environment = {**os.environ, "MERIDIAN_FAILPOINTS": failpoint}
    command = [sys.executable, "-m", "tests.kit.scrubbing", str(folder)]
    return subprocess.run(command, env=environment, cwd=ROOT, timeout=120, check=False).returncode


def _flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
