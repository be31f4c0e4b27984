"""The power goes while a study is archived, let go online, and brought back: a good copy at each instant.

Packs, database and archive lie on a disk each. 20 cycles; 500 with ``MERIDIAN_LONG=1``. Needs root,
loop devices and mkfs.ext4, and fails without them.

A missing sync of a store is not planted here: reading a copy back has the kernel write it, so that a cut shows it by
chance only. `tests/unit/archive/stores/test_folder_store.py` catches it by the order of calls.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import pytest

from node.errors import GridError
from ops.verify import verify_part
from tests.kit.archived_study import COUNT, hold_study, read_everything, slices, start
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.forked import begin
from tests.kit.power import Machine, NoPower, machine

Content = tuple[str, str]
LONG = bool(os.environ.get("MERIDIAN_LONG"))
CYCLES = 500 if LONG else 20
CYCLES_A_MACHINE = 10
ROUND = ("archive", "expire", "retire", "recall")
ANEW = (
    "archive",
    "expire",
    "retire",
    "grow",
    "archive",
    "supersede",
    "grow",
    "archive",
    "supersede",
    "recall",
)
"""A study that grows after it was archived, online and not; each time a later package takes the older one's place."""
PARTS = ("database", "packs", "journal", "studies")

pytestmark = pytest.mark.peer


def walked_until_cut(one: Machine, chance: random.Random, acts: Sequence[str] = ROUND) -> list[int]:
    """Let a process go round and round, and cut the power some time after it began to; give the slices that came."""
    process = begin("archived_study", one.state.parent, "archive", *list(acts) * 2000)
    try:
        time.sleep(chance.uniform(0.0, 1.6))
        assert process.runs, "it ended by itself"
        process.stop()
        one.lose_power(chance)
    finally:
        process.kill()
        said = process.said()
    return [int(number) for number in said.split()]


def held(folder: Path) -> tuple[dict[tuple[str, str], str], list[str]]:
    """Start the node as after an outage; give what it reads, and what verify says; what cannot be read is named."""
    node = start(folder)
    try:
        findings = [finding.line for part in PARTS for finding in verify_part(node, part)]
        return read_everything(node), findings
    except GridError as error:
        return {}, [error.message]
    finally:
        node.close()


def received(folder: Path) -> dict[tuple[str, str], str]:
    """Let a study come in; give what it reads."""
    node = bare_node(folder, "alpha", FrozenClock())
    try:
        hold_study(node)
        return read_everything(node)
    finally:
        node.close()


def cycles(folder: Path, count: int) -> Generator[list[str], None, None]:
    chance = random.Random(7)
    for first in range(0, count, CYCLES_A_MACHINE):
        place = folder / f"m{first}"
        place.mkdir()
        with machine(place, "archive") as one:
            before = received(place)
            one.sync()
            for _ in range(CYCLES_A_MACHINE):
                walked_until_cut(one, chance)
                one.come_back()
                after, findings = held(place)
                yield [*findings, *([] if after == before else ["something reads otherwise, or not at all"])]


@pytest.mark.timeout(3600 if LONG else 300)
def test_a_power_cut_at_any_instant_leaves_a_good_copy(tmp_path: Path) -> None:
    try:
        broken = list(cycles(tmp_path, CYCLES))
    except NoPower as error:
        pytest.fail(str(error))
    assert broken == [[]] * CYCLES


def cycles_anew(folder: Path, count: int) -> Generator[list[str], None, None]:
    """Do the same to a study that grows all the time: what had come stays, and is what it was."""
    chance = random.Random(11)
    for first in range(0, count, CYCLES_A_MACHINE):
        place = folder / f"m{first}"
        place.mkdir()
        with machine(place, "archive") as one:
            known = received(place)
            one.sync()
            highest = COUNT
            for _ in range(CYCLES_A_MACHINE):
                begin = chance.randrange(len(ANEW))
                came = walked_until_cut(one, chance, (*ANEW[begin:], *ANEW[:begin]))
                highest = max([highest, *came])
                one.come_back()
                after, findings = held(place)
                yield [*findings, *_missing(known, after, highest)]
                known = after


def _missing(known: Mapping[Content, str], after: Mapping[Content, str], highest: int) -> list[str]:
    """Name what was read before and is not, or otherwise; and slices that had come and did not stay."""
    found = [
        f"{key} reads otherwise, or not at all" for key, value in known.items() if after.get(key) != value
    ]
    expected = {hashlib.sha256(one).hexdigest() for one in slices(highest)}
    return found + [f"{digest} had come" for digest in expected - {digest for _, digest in after}]


@pytest.mark.timeout(3600 if LONG else 300)
def test_a_power_cut_while_a_study_is_archived_anew_leaves_a_good_copy(tmp_path: Path) -> None:
    try:
        broken = list(cycles_anew(tmp_path, CYCLES))
    except NoPower as error:
        pytest.fail(str(error))
    assert broken == [[]] * CYCLES


def test_a_planted_loss_would_be_named() -> None:
    known = {("1", hashlib.sha256(slices(1)[0]).hexdigest()): "file"}
    assert _missing(known, known, 1) == []
    assert len(_missing(known, {}, 1)) == 2
    assert len(_missing(known, dict.fromkeys(known, "other"), 1)) == 1
    assert len(_missing(known, known, 2)) == 1
