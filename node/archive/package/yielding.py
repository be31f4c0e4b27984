"""How much of the machine the archive's processes leave to others: all that is free is theirs, and little while others work.

A low priority alone is not enough. On two cores (Linux 6.18, no preemption in the kernel) two processes that only compute, at SCHED_IDLE, made
C-STORE wait for a core at each of its steps: 200 instances/s in place of 550; one made 380 of it. So while
others work one process goes on at a time, and it rests more than it works.

Others are seen by the time that processes of usual priority spend computing; the archive's own are niced, and the kernel counts them apart.

Source: proc_stat(5).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from node.failpoints import planted

BUSY_CORES = 0.25
"""Others work when they use so much of a core."""
SHARE = 0.25
"""Of a core, for the archive meanwhile."""
LOOK_S = 0.25
LONGEST_S = 10.0
"""Of one rest."""


def user_seconds(stat: str, *, ticks: int) -> float:
    """Give the seconds that processes of usual priority have computed, all cores together.

    Parameters
    ----------
    stat
        What ``/proc/stat`` says.
    """
    return int(stat.split(maxsplit=2)[1]) / ticks


def rest_after(work_s: float) -> float:
    """Give how long to rest after working so long, while others work."""
    return min(work_s * (1 / SHARE - 1), LONGEST_S)


class Others:
    """Says whether others of this machine work; for any number of threads."""

    def __init__(self, read: Callable[[], str], *, ticks: int) -> None:
        self._read, self._ticks = read, ticks
        self._lock = threading.Lock()
        self._at: float | None = None
        self._spent = 0.0
        self._busy = False

    def work(self, now: float) -> bool:
        """Say so, from what was spent since it was last looked at; looked at four times a second."""
        with self._lock:
            if self._at is None or now - self._at >= LOOK_S:
                spent = user_seconds(self._read(), ticks=self._ticks)
                if self._at is not None:
                    self._busy = (spent - self._spent) / (now - self._at) >= BUSY_CORES
                self._at, self._spent = now, spent
            return self._busy


class Yielding:
    """Lets work go on side by side while nobody else works, and else one after the other, with rests."""

    def __init__(self, others: Others, *, now: Callable[[], float], sleep: Callable[[float], object]) -> None:
        self._others, self._now, self._sleep = others, now, sleep
        self._turn = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn, work, and rest."""
        if planted("archive-unyielding") or not self._others.work(self._now()):
            yield
            return
        with self._turn:
            began = self._now()
            yield
            end = self._now() + rest_after(self._now() - began)
            while self._now() < end and self._others.work(self._now()):
                self._sleep(LOOK_S)


def yielding_to_this_machine() -> Yielding:
    """Give what yields to whatever runs on this machine."""
    stat = Path("/proc/stat")
    others = Others(lambda: stat.read_text("ascii"), ticks=os.sysconf("SC_CLK_TCK"))
    return Yielding(others, now=time.monotonic, sleep=time.sleep)
