"""Forgets, once an hour, what no peer will ask for again.

Reads and writes: through `federation.exchange.tidy`. Tells: nobody.
"""

from __future__ import annotations

from actors.base import Failed, Follower
from federation.exchange import tidy
from node.clock import SECOND, Micros
from node.node import Node

EVERY: Micros = 3600 * SECOND


class Tidy(Follower):
    """One per node; two are safe."""

    NAME = "tidy"
    POLL_S = 600.0
    SPACING_S = 60.0

    def __init__(self, failed: Failed, node: Node) -> None:
        super().__init__(failed)
        self._node = node
        self._last: Micros = node.now()

    def step(self) -> float | None:
        """Tidy when an hour has passed."""
        if self._node.now() - self._last >= EVERY:
            self._last = self._node.now()
            tidy(self._node)
        return None
