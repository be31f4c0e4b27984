"""The power goes while backups are made and removed: what was said to be made is whole, and gives back all that came before it.

Database, packs and the place of backups lie on a disk each. 20 cycles; 500 with ``MERIDIAN_LONG=1``. Needs
root, loop devices and mkfs.ext4, and fails without them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from node.errors import GridError
from ops.backup.checking import check_backup
from tests.kit.backing import Backed, everything_in, opened_again, read_everything, wrong_in
from tests.kit.forked import begin
from tests.kit.power import Machine, NoPower, machine

LONG = bool(os.environ.get("MERIDIAN_LONG"))
CYCLES = 500 if LONG else 20
CYCLES_A_MACHINE = 10
POINTS = ("backup-packs-taken", "backup-object-put", "backup-unnamed", "backup-named", "backup-pruned")

pytestmark = pytest.mark.peer


@dataclass
class Told:
    """What the process said was done: studies that came, backups that were made, and how much had come by each."""

    arrived: list[int] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)

    def hear(self, lines: list[str]) -> None:
        for word, what in (line.split() for line in lines):
            if word == "arrived":
                self.arrived.append(int(what))
            else:
                self.made[what] = len(self.arrived)


def made_until_cut(one: Machine, chance: random.Random, planted: str) -> list[str]:
    """Let a process take studies in and make backups, and cut the power at a step or at any moment; give what it said."""
    point = chance.choice(POINTS) if chance.random() < 0.5 else ""
    process = begin("backing", one.state.parent, failpoint=point, planted=planted)
    try:
        if point:
            assert process.wait() == -signal.SIGKILL, "it ended by itself"
        else:
            time.sleep(chance.uniform(0.0, 1.7))
            assert process.runs, "it ended by itself"
            process.stop()
        one.lose_power(chance)
    finally:
        process.kill()
        said = process.said()
    return said.splitlines()


def faults(backed: Backed, told: Told) -> list[str]:
    """Give what is not as it was said: in the node, at the place, and in what is restored of the newest backup."""
    found = _in_node(backed, told)
    place = backed.place()
    try:
        backups = place.backups()
        found += [words for one in backups for words in check_backup(place, one)]
        names = [one.name for one in backups]
    except GridError as error:
        return [*found, error.message]
    finally:
        place.close()
    newest_told = list(told.made)[-1:]
    found += [f"backup {name} was made, and is not there" for name in newest_told if name not in names]
    if found or not names:
        return found
    least = told.made.get(names[0], max([0, *told.made.values()]))
    return _in_restored(backed, told.arrived[:least])


def _in_node(backed: Backed, told: Told) -> list[str]:
    try:
        node = opened_again(backed)
        try:
            studies = {sop_uid.split(".")[2] for sop_uid, _ in read_everything(node)}
        finally:
            node.close()
    except GridError as error:
        return [error.message]
    lost = [f"study {n} had come" for n in told.arrived if str(n) not in studies]
    return [*wrong_in(backed.state), *lost]


def _in_restored(backed: Backed, arrived: list[int]) -> list[str]:
    restored = backed.restore()
    try:
        studies = {sop_uid.split(".")[2] for sop_uid, _ in everything_in(restored.state)}
        lost = [f"study {n} is not in the newest backup" for n in arrived if str(n) not in studies]
        return [*wrong_in(restored.state), *lost]
    finally:
        shutil.rmtree(restored.state)


def cycles(folder: Path, count: int, *, planted: str = "") -> Generator[list[str], None, None]:
    chance = random.Random(5)
    for first in range(0, count, CYCLES_A_MACHINE):
        below = folder / f"m{first}"
        below.mkdir()
        with machine(below, beside=["backups"]) as one:
            backed, told = Backed.begin(below), Told()
            one.sync()
            for _ in range(CYCLES_A_MACHINE):
                told.hear(made_until_cut(one, chance, planted))
                one.come_back()
                yield faults(backed, told)


@pytest.mark.timeout(5400 if LONG else 300)
def test_a_power_cut_amid_a_backup_leaves_those_that_were_made(tmp_path: Path) -> None:
    try:
        broken = list(cycles(tmp_path, CYCLES))
    except NoPower as error:
        pytest.fail(str(error))
    assert broken == [[]] * CYCLES


@pytest.mark.timeout(300)
def test_a_planted_manifest_before_its_objects_is_caught_by_a_power_cut(tmp_path: Path) -> None:
    assert any(cycles(tmp_path, 20, planted="backup-unsynced"))
