"""Whose turn it is among those who wait for studies: by priority, then one study for each who asked, round and round. Pure.

So whoever asks for a thousand studies at once keeps nobody waiting for more than one of them at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from node.clock import Micros
from node.failpoints import planted


class Waiting(Protocol):
    """A study that somebody waits for."""

    @property
    def id(self) -> str: ...
    @property
    def asker(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def at(self) -> Micros: ...


W = TypeVar("W", bound=Waiting)


def in_turn(waiting: Iterable[W], served: Mapping[str, Micros]) -> list[W]:
    """Put what waits in the order of its turns.

    Parameters
    ----------
    served
        When each asker's last study had its turn, each at a time of its own; one without has waited longest.
    """
    oldest = sorted(waiting, key=lambda one: (one.priority, one.at, one.id))
    if planted("recall-first-come"):
        return oldest
    order: list[W] = []
    for priority in sorted({one.priority for one in oldest}):
        order += _round([one for one in oldest if one.priority == priority], served)
    return order


def _round(oldest: list[W], served: Mapping[str, Micros]) -> list[W]:
    """Take one of each asker, she who was served longest ago first, until nothing is left."""
    queues: dict[str, deque[W]] = {}
    for one in oldest:
        queues.setdefault(one.asker, deque()).append(one)
    askers = deque(sorted(queues, key=lambda asker: (served.get(asker, -1), queues[asker][0].at, asker)))
    order: list[W] = []
    while askers:
        asker = askers.popleft()
        order.append(queues[asker].popleft())
        if queues[asker]:
            askers.append(asker)
    return order
