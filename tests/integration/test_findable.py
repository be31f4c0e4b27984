"""Store, release, query works; and while the index stands still, storing goes on and a release does not hang."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.kit.finding import Round, clinic
from tests.kit.http import wait_for
from tests.kit.running import RunningAlliance

ROUNDS = 100
RELEASE_S = 20.0
"""More than the barrier's 2 s by far: a machine may be slow, a barrier that never opens is slower."""


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAlliance]:
    with clinic(tmp_path_factory.mktemp("clinic")) as running:
        yield running


def test_what_was_released_is_found_every_time(alliance: RunningAlliance) -> None:
    reader = alliance.reader("alpha")
    missed = []
    for number in range(ROUNDS):
        round_ = Round(alliance, reader, number)
        round_.store()
        round_.release()
        if not round_.found():
            missed.append(number)
    assert missed == []


def test_while_the_index_stands_still_instances_are_taken_and_found_afterwards(
    alliance: RunningAlliance,
) -> None:
    reader = alliance.reader("alpha")
    grid = alliance.processes("alpha")["grid"]
    grid.send_signal(signal.SIGSTOP)
    try:
        rounds = [Round(alliance, reader, 1000 + n) for n in range(3)]
        for round_ in rounds:
            round_.store()
            assert 1.5 < round_.release() < RELEASE_S
    finally:
        grid.send_signal(signal.SIGCONT)
    for round_ in rounds:
        wait_for("the instance is found", round_.found)
