"""The power goes in the middle of streams: nothing that was answered for is lost, and no row means bytes that are gone.

20 cycles; 500 with ``MERIDIAN_LONG=1``. Needs root, loop devices and mkfs.ext4, and fails without them.
A missing sync of the packs' folder is not among the planted faults: ext4 commits the name of a new file with the
file's first sync, so no cut shows it. `test_receiver_order` catches it by the order of calls.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from node.clock import SystemClock
from node.journal.cursors import position
from node.store.packs import index_cursor
from tests.kit.bare_node import bare_node
from tests.kit.outage import Outages, claims
from tests.kit.power import Machine, NoPower, machine
from tests.kit.promises import Broken, Device, broken, data_set_of
from tests.kit.receiving import admit_all
from tests.kit.registering import facts, register_pack, store

LONG = bool(os.environ.get("MERIDIAN_LONG"))
CYCLES = 500 if LONG else 20
CYCLES_A_MACHINE = 5
DEVICES = 3
SLOW_SYNC_S = 0.03
LONG_SYNC_S = 0.4
"""So long that the index comes to a record in the meantime however busy this machine is."""

pytestmark = pytest.mark.peer


@dataclass
class Told:
    """What was promised on one machine so far; the cuts do not reach it."""

    notes: Path
    acknowledged: list[str] = field(default_factory=list)


@contextmanager
def powered(folder: Path) -> Iterator[tuple[Machine, Told]]:
    """Give a machine whose node stands ready, all of it synced."""
    folder.mkdir()
    with machine(folder) as one:
        admit_all(one.state)
        bare_node(folder, one.state.name, SystemClock()).close()
        one.sync()
        yield one, Told(folder / "notes")


def cycle(
    one: Machine, told: Told, outages: Outages, chance: random.Random, *, root: str, slow_s: float
) -> Broken:
    """Let devices send and the index follow, cut the power, start again, and say what was broken.

    In half of the cycles syncs are slow, in a quarter no index runs.
    """
    follows = chance.random() < 0.75
    if follows:
        outages.start_index(one.state, told.notes)
    port = outages.start_receiver(
        one.state, sync_s=chance.choice((0.0, slow_s)), barrier_s=2.0 if follows else 0.0
    )
    devices = [Device(port, f"{root}.{k}") for k in range(1, DEVICES + 1)]
    for device in devices:
        device.start()
    assert all(device.begun.wait(20) for device in devices)
    time.sleep(chance.uniform(0, 0.4))
    outages.stop()
    one.lose_power(chance)
    outages.kill()
    for device in devices:
        device.join(timeout=40)
        told.acknowledged += device.acknowledged
    one.come_back()
    return broken(one.state, told.acknowledged, claims(told.notes))


def cycles(
    folder: Path, count: int, *, planted: str = "", slow_s: float = SLOW_SYNC_S
) -> Iterator[tuple[Broken, Told]]:
    """Run cycles, a few on each machine, each on what the ones before left."""
    chance = random.Random(11)
    outages = Outages(environment={"MERIDIAN_PLANTED": planted})
    try:
        for first in range(0, count, CYCLES_A_MACHINE):
            with powered(folder / f"m{first}") as (one, told):
                for n in range(first, first + CYCLES_A_MACHINE):
                    yield cycle(one, told, outages, chance, root=f"2.25.{n + 1}", slow_s=slow_s), told
    except NoPower as error:
        pytest.fail(str(error))
    finally:
        outages.close()


def caught(folder: Path, planted: str, *, slow_s: float = SLOW_SYNC_S) -> set[str]:
    """Give what a planted fault broke first; none when no cycle noticed."""
    with_faults = cycles(folder, 20, planted=planted, slow_s=slow_s)
    try:
        return next((found.kinds for found, _ in with_faults if found), set())
    finally:
        with_faults.close()


@pytest.mark.timeout(3600 if LONG else 300)
def test_a_power_cut_loses_nothing_that_was_answered_for(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    indexed: set[str] = set()
    for found, told in cycles(tmp_path, CYCLES):
        assert not found, vars(found)
        acknowledged |= set(told.acknowledged)
        indexed |= {f"{told.notes}/{reader}" for reader in claims(told.notes)}
    assert len(acknowledged) >= CYCLES * DEVICES
    assert len(indexed) >= CYCLES
    print(f"{len(acknowledged)} acknowledged in {CYCLES} power cuts, 0 lost, 0 rows dangle")


def test_a_planted_missing_sync_of_records_is_caught_by_a_power_cut(tmp_path: Path) -> None:
    assert "lost" in caught(tmp_path, "no-data-sync")


def test_a_planted_missing_sync_of_the_database_is_caught_by_a_power_cut(tmp_path: Path) -> None:
    assert "forgotten" in caught(tmp_path, "no-database-sync")


def test_a_planted_mark_before_the_sync_is_caught_by_a_power_cut(tmp_path: Path) -> None:
    assert "dangling" in caught(tmp_path, "mark-before-sync", slow_s=LONG_SYNC_S)


def test_a_planted_landing_before_the_sync_of_an_end_mark_is_caught_by_a_power_cut(tmp_path: Path) -> None:
    assert "damaged" in caught(tmp_path, "no-landed-sync")


def test_what_is_planted_in_a_whole_state_is_named(tmp_path: Path) -> None:
    state = tmp_path / "alpha"
    node = bare_node(tmp_path, "alpha", SystemClock())
    uids = [f"2.25.9.1.200.{n}" for n in (1, 2, 3)]
    pack = store(node, *map(data_set_of, uids), given=facts(node, study_uid="2.25.9.1"))
    register_pack(node, pack)
    reached = position(node.database, index_cursor(pack))
    path = node.packs.path(pack)
    node.close()
    claimed = {index_cursor(pack): reached}
    assert not broken(state, uids, claimed)
    assert broken(state, [*uids, "2.25.9.1.200.4"], claimed).kinds == {"lost"}
    assert broken(state, uids, {index_cursor(pack): reached + 1}).kinds == {"forgotten"}
    path.write_bytes(path.read_bytes()[:-2000])
    assert broken(state, uids, claimed).kinds == {"lost", "dangling", "damaged"}
