"""The archive's processes have all of an idle machine, and little of one where others work."""

from __future__ import annotations

import threading

import pytest

from node.archive.package.yielding import LONGEST_S, SHARE, Others, Yielding, rest_after, user_seconds
from tests.kit.planting import planted

STAT = "cpu  {user} 87867 304082 1222245 46503 0 17070 1643 0 0\ncpu0 1 2 3\n"


class Machine:
    """A clock, and what others have computed by it."""

    def __init__(self, *, cores: float) -> None:
        self.now = 100.0
        self.cores = cores
        self.spent = 0.0
        self.rested = 0.0

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.spent += seconds * self.cores

    def sleep(self, seconds: float) -> None:
        self.rested += seconds
        self.pass_(seconds)

    def stat(self) -> str:
        return STAT.format(user=int(self.spent * 100))

    def yielding(self) -> Yielding:
        found = Others(self.stat, ticks=100)
        found.work(self.now)
        self.pass_(1.0)
        return Yielding(found, now=lambda: self.now, sleep=self.sleep)


def test_time_of_niced_processes_is_not_that_of_others() -> None:
    assert user_seconds(STAT.format(user=1234), ticks=100) == 12.34


def test_work_rests_three_times_as_long_as_it_took_while_others_work() -> None:
    machine = Machine(cores=0.5)
    yielding = machine.yielding()
    with yielding.turn():
        machine.pass_(2.0)
    assert machine.rested == pytest.approx(2.0 * (1 / SHARE - 1), abs=0.3)


def test_on_an_idle_machine_it_does_not_rest() -> None:
    machine = Machine(cores=0.1)
    with machine.yielding().turn():
        machine.pass_(2.0)
    assert machine.rested == 0


def test_a_rest_ends_when_others_are_done() -> None:
    machine = Machine(cores=0.5)
    yielding = machine.yielding()
    with yielding.turn():
        machine.pass_(2.0)
        machine.cores = 0.0
    assert machine.rested <= 0.5


def test_a_rest_is_never_long() -> None:
    assert rest_after(1000.0) == LONGEST_S


@pytest.mark.parametrize(("cores", "beside"), [(0.5, False), (0.0, True)])
def test_one_goes_on_at_a_time_while_others_work(cores: float, beside: bool) -> None:
    assert is_beside(Machine(cores=cores)) is beside


def test_a_planted_archive_that_does_not_yield_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "archive-unyielding")
    machine = Machine(cores=0.5)
    with machine.yielding().turn():
        machine.pass_(2.0)
    assert machine.rested == 0
    assert is_beside(machine)


def is_beside(machine: Machine) -> bool:
    """Say whether a second turn begins while the first goes on."""
    yielding, began = machine.yielding(), threading.Event()

    def second() -> None:
        with yielding.turn():
            began.set()

    with yielding.turn():
        other = threading.Thread(target=second)
        other.start()
        found = began.wait(0.2)
        machine.cores = 0.0
        machine.pass_(1.0)
    other.join()
    return found
