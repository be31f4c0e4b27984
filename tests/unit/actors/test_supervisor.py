"""One fails, it alone is started again; what keeps failing escalates; what is away is waited for."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from actors.base import Failed, Follower
from actors.supervisor import Start, Supervisor
from node.errors import Conflict, Unavailable
from tests.kit.actors import Failures, eventually

QUICK = (0.001, 0.002)


class Looks:
    """What an actor did, kept outside of it."""

    def __init__(self, *errors: BaseException | None) -> None:
        self.count = 0
        self.errors = list(errors)
        self.threads: set[int] = set()


class Looker(Follower):
    NAME: ClassVar[str] = "looker"
    POLL_S = 60.0

    def __init__(self, failed: Failed, looks: Looks) -> None:
        super().__init__(failed)
        self._looks = looks

    def step(self) -> float | None:
        self._looks.count += 1
        self._looks.threads.add(threading.get_ident())
        error = self._looks.errors.pop(0) if self._looks.errors else None
        if error is not None:
            raise error
        return None


def starting(looks: Looks) -> Start:
    return lambda failed: Looker.start(failed, looks)


@contextmanager
def supervised(**actors: Looks) -> Iterator[tuple[Supervisor, Failures]]:
    escalated = Failures()
    starts = {name: starting(looks) for name, looks in actors.items()}
    supervisor = Supervisor(starts, escalate=escalated, back_off_s=QUICK, escalate_after=4)
    supervisor.start()
    try:
        yield supervisor, escalated
    finally:
        supervisor.stop()


def test_actor_looks_at_start_and_at_every_ring() -> None:
    looks = Looks()
    with supervised(looker=looks) as (supervisor, _):
        eventually(lambda: looks.count == 1)
        supervisor.wake()
        eventually(lambda: looks.count == 2)
        assert [state.state for state in supervisor.states()] == ["running"]


def test_failed_actor_is_started_again_and_its_neighbour_is_not_touched() -> None:
    failing, steady = Looks(RuntimeError("broken"), RuntimeError("again")), Looks()
    with supervised(looker=failing, other=steady) as (supervisor, escalated):
        eventually(lambda: failing.count == 3)
        eventually(lambda: supervisor.states()[0].state == "running")
        assert supervisor.states()[0].error == "again"
        assert len(failing.threads) >= 1
        assert steady.count == 1
        assert escalated.told == []


def test_actor_that_keeps_failing_escalates_once_and_stays_down() -> None:
    failing = Looks(*[RuntimeError(f"broken {n}") for n in range(50)])
    with supervised(looker=failing) as (supervisor, escalated):
        name, error = escalated.wait()
        eventually(lambda: supervisor.states()[0].state == "stopped")
        assert (name, str(error), failing.count) == ("looker", "broken 3", 4)
        assert len(escalated.told) == 1


def test_what_is_away_for_now_is_waited_for_without_end() -> None:
    failing = Looks(*[Unavailable("The database is away.") for _ in range(20)])
    with supervised(looker=failing) as (_, escalated):
        eventually(lambda: failing.count == 21)
        assert escalated.told == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_disk_that_fails_is_waited_for_like_anything_that_is_away(number: int) -> None:
    failing = Looks(*[OSError(number, "the disk") for _ in range(20)])
    with supervised(looker=failing) as (_, escalated):
        eventually(lambda: failing.count == 21)
        assert escalated.told == []


def test_lost_race_is_looked_at_again_and_is_no_failure() -> None:
    looks = Looks(Conflict("Somebody was first."))
    with supervised(looker=looks) as (supervisor, _):
        eventually(lambda: looks.count == 2)
        assert supervisor.states()[0].failures == 0


def test_failing_constructor_is_tried_again() -> None:
    tries: list[int] = []
    looks = Looks()

    def start(failed: Failed) -> object:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no thread")
        return Looker.start(failed, looks)

    escalated = Failures()
    supervisor = Supervisor({"looker": start}, escalate=escalated, back_off_s=QUICK)  # type: ignore[dict-item]
    supervisor.start()
    eventually(lambda: looks.count == 1)
    supervisor.stop()
    assert escalated.told == []


def test_stopped_supervisor_ends_every_actor() -> None:
    looks = Looks()
    with supervised(looker=looks) as (supervisor, _):
        eventually(lambda: looks.count == 1)
        ref = supervisor._children["looker"].ref
        assert ref is not None
    assert not ref.is_alive()
    supervisor.wake()
    assert looks.count == 1


def test_actor_may_be_added_and_removed() -> None:
    looks = Looks()
    with supervised() as (supervisor, _):
        supervisor.add("looker", starting(looks))
        supervisor.add("looker", starting(looks))
        eventually(lambda: looks.count == 1)
        supervisor.remove("looker")
        assert supervisor.states() == []
