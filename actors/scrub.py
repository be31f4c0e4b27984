"""Compares packs and packages with what was received, slowly, and has what is damaged healed.

Reads: packs, copies in archive stores, and rows that say what was verified when. Tells: nobody. Writes: those rows;
damaged records and copies; healed packs and the rows that mean them; jobs that archive anew. What is compared
and healed is `node.archive.scrub.scrubbing`'s, how fast `node.archive.scrub.pacing`'s.

A step reads for two seconds' worth of its rate at once, then it waits; whatever rings meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from actors.base import Failed, Follower
from node.archive.lifecycle.periods import DAY
from node.archive.scrub.pacing import is_open, pause_s, step_bytes
from node.archive.scrub.scrubbing import refresh, scrub_some
from node.clock import SECOND
from node.node import Node

REFRESH_S = 600.0


class Scrub(Follower):
    """One per node; two are safe."""

    NAME = "scrub"
    POLL_S = 60.0
    SPACING_S = 1.0

    def __init__(
        self, failed: Failed, node: Node, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(failed)
        self._node = node
        self._monotonic_s = monotonic_s
        self._next_s = self._refresh_s = monotonic_s()

    def step(self) -> float | None:
        """Compare some of what was verified longest ago; give how long to wait for the rate to hold."""
        archive, began = self._node.config.archive, self._monotonic_s()
        if not archive.scrub_mb_s or not self._is_open():
            return None
        if began < self._next_s:
            return self._next_s - began  # a ring
        if began >= self._refresh_s:
            refresh(self._node)
            self._refresh_s = began + REFRESH_S
        done = scrub_some(
            self._node,
            before=self._node.now() - archive.scrub_days * DAY,
            most_bytes=step_bytes(archive.scrub_mb_s),
        )
        spent = self._monotonic_s() - began
        wait = pause_s(done.bytes, spent_s=spent, mb_per_s=archive.scrub_mb_s)
        wait = self.POLL_S if done.is_last else max(wait, self.SPACING_S)
        self._next_s = began + spent + wait
        return wait

    def _is_open(self) -> bool:
        config = self._node.config
        hour = datetime.fromtimestamp(self._node.now() / SECOND, ZoneInfo(config.node.zone)).hour
        return is_open(config.archive.scrub_hours, hour)
