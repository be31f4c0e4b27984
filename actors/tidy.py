"""Forgets, once an hour, what no peer will ask for again, and once a day the words that nothing names.

Reads and writes: through `federation.exchange.tidy` and `node.journal.unnamed`. Tells: nobody.
"""

from __future__ import annotations

import logging

from actors.base import Failed, Follower
from federation.exchange import tidy
from node.clock import SECOND, Micros
from node.journal.unnamed import remove_unnamed
from node.node import Node

EVERY: Micros = 3600 * SECOND
WORDS_EVERY: Micros = 24 * EVERY
_log = logging.getLogger(__name__)


class Tidy(Follower):
    """One per node; two are safe."""

    NAME = "tidy"
    POLL_S = 600.0
    SPACING_S = 60.0

    def __init__(self, failed: Failed, node: Node) -> None:
        super().__init__(failed)
        self._node = node
        self._last: Micros = node.now()
        self._words_last: Micros = node.now() - WORDS_EVERY + EVERY
        """A node that is started anew each day looks too, an hour after its start."""

    def step(self) -> float | None:
        """Tidy when an hour has passed, and words when a day has."""
        now = self._node.now()
        if now - self._last >= EVERY:
            self._last = now
            tidy(self._node)
        if now - self._words_last >= WORDS_EVERY:
            self._words_last = now
            if removed := remove_unnamed(self._node):
                _log.info("removed %d texts that nothing has named for a week", removed)
        return None
