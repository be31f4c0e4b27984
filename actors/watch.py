"""Looks at how large the tiers are and whether backups are made, and says what a person has to see to.

Reads: rows of both tiers, of backups and drills; the room of the disk and of archive stores. Tells: nobody. Writes: how
large each place is, one row a day; a forecast a day; alarms and the problems that show them. What is an alarm is
`node.watch.alarms`'s to say.
"""

from __future__ import annotations

from actors.base import Failed, Follower
from node.archive.stores.probing import Probe
from node.clock import MINUTE, SECOND, Micros
from node.node import Node
from node.watch.watching import watch

EVERY: Micros = 10 * MINUTE
WITHIN_S = 5.0
"""A store that has not answered by then is silent in this look."""


class Watch(Follower):
    """One per node; two are safe."""

    NAME = "watch"
    POLL_S = 60.0
    SPACING_S = 10.0

    def __init__(self, failed: Failed, node: Node) -> None:
        super().__init__(failed)
        self._node = node
        self._probe = Probe(node.archive.stores)
        self._last: Micros | None = None

    def step(self) -> float | None:
        """Look when ten minutes have passed, whatever rings; the forecast of a large node takes some seconds a day."""
        now = self._node.now()
        if self._last is not None and 0 <= now - self._last < EVERY:
            return max(1.0, (self._last + EVERY - now) / SECOND)
        watch(self._node, self._probe.ask(within_s=WITHIN_S))
        self._last = now
        return None
