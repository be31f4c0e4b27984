"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime

from node.clock import SECOND, Micros

NOON: Micros = int(datetime(2026, 3, 2, 4, 0, tzinfo=UTC).timestamp()) * SECOND
"""2 March 2026, noon in Shanghai."""


class FrozenClock:
    """Gives the same time until it is moved."""

    def __init__(self, now: Micros = NOON) -> None:
        self._now = now

    def now(self) -> Micros:
        return self._now

    def advance(self, by: Micros) -> None:
        self._now += by
