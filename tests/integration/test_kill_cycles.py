"""kill -9 in the middle of streams: nothing that was answered for is lost, and no row means bytes that are gone.

20 cycles each of the receiver alone and with the index following; 500 with ``MERIDIAN_LONG=1``.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.clock import SystemClock
from tests.kit.bare_node import bare_node
from tests.kit.outage import Outages, claims
from tests.kit.promises import Broken, Device, broken
from tests.kit.receiving import ReceiverProcess, admit_all, records

LONG = bool(os.environ.get("MERIDIAN_LONG"))
CYCLES = 500 if LONG else 20
CYCLES_A_STATE = 5
DEVICES = 2
SMALL = (200, 2_000)


@contextmanager
def node_processes(planted: str = "") -> Iterator[Outages]:
    outages = Outages(environment={"MERIDIAN_PLANTED": planted})
    try:
        yield outages
    finally:
        outages.close()


def cycle(outages: Outages, state: Path, *, root: str, follows: bool, after_s: float) -> list[str]:
    """Let devices send, kill what runs, give what had been answered for."""
    if follows:
        outages.start_index(state, state.parent / "notes")
    port = outages.start_receiver(state, barrier_s=2.0 if follows else 0.0)
    devices = [Device(port, f"{root}.{k}", sizes=SMALL) for k in range(1, DEVICES + 1)]
    for device in devices:
        device.start()
    assert all(device.begun.wait(20) for device in devices)
    time.sleep(after_s)
    outages.kill(apart_s=after_s / 10)
    for device in devices:
        device.join(timeout=40)
    return [uid for device in devices for uid in device.acknowledged]


def one_state(
    outages: Outages, folder: Path, *, root: str, follows: bool, chance: random.Random
) -> tuple[int, Broken]:
    """Kill a few times over one state; give how much was acknowledged and what was broken."""
    state = folder / "alpha"
    admit_all(state)
    if follows:
        bare_node(folder, state.name, SystemClock()).close()
    acknowledged: list[str] = []
    for n in range(1, CYCLES_A_STATE + 1):
        acknowledged += cycle(
            outages, state, root=f"{root}.{n}", follows=follows, after_s=chance.uniform(0, 0.6)
        )
    return len(acknowledged), broken(state, acknowledged, claims(folder / "notes"))


@pytest.mark.timeout(3600 if LONG else 300)
@pytest.mark.parametrize("follows", [False, True], ids=["receiver alone", "index follows"])
def test_nothing_that_was_answered_for_is_lost(tmp_path: Path, follows: bool) -> None:
    chance = random.Random(7)
    acknowledged = 0
    with node_processes() as outages:
        for n in range(1, CYCLES // CYCLES_A_STATE + 1):
            count, found = one_state(
                outages, tmp_path / str(n), root=f"2.25.{n}", follows=follows, chance=chance
            )
            assert not found, vars(found)
            acknowledged += count
    assert acknowledged >= CYCLES * DEVICES
    print(f"{acknowledged} acknowledged in {CYCLES} kills, 0 lost, 0 rows dangle")


def test_a_planted_answer_before_the_record_is_caught(tmp_path: Path) -> None:
    with node_processes("answer-before-record") as outages:
        for n in range(1, CYCLES + 1):
            _, found = one_state(
                outages, tmp_path / str(n), root=f"2.25.{n}", follows=False, chance=random.Random(n)
            )
            if found.lost:
                return
    pytest.fail("the kill cycles did not notice")


@pytest.mark.parametrize(("point", "answered", "held"), [("received", 2, {2, 3}), ("answered", 2, {3})])
def test_killed_at_the_point_what_was_answered_is_there(
    tmp_path: Path, point: str, answered: int, held: set[int]
) -> None:
    state = tmp_path / "alpha"
    admit_all(state)
    process = ReceiverProcess(state, environment={"MERIDIAN_FAILPOINTS": f"{point}:3"})
    device = Device(process.port, "2.25.1", sizes=SMALL)
    device.start()
    device.join(timeout=20)
    process.wait()
    assert len(device.acknowledged) == answered
    ReceiverProcess(state).stop()
    assert len(records(state)) in held
    assert not broken(state, device.acknowledged, {})
