"""An actor's inbox: wake-ups are coalesced, nothing blocks who puts, and time is a message too.

Pykka's own inbox is unbounded, and a bounded one that blocks lets two actors
that tell each other wait for ever. Here one wake-up pending is enough; of
anything else a few are kept and the next is refused.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from pykka import messages
from pykka._envelope import Envelope

from node.errors import Unavailable

LIMIT = 16
_STOP = messages._ActorStop  # never refused; pykka has no public name for it


class Wake:
    """Says: look. Carries nothing."""


WAKE = Wake()


class Inbox:
    """What pykka's loop reads from."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Envelope[Any]] = deque()
        self._woken = True  # the first look needs no ring
        self._not_before = 0.0
        self._due = float("inf")

    def put(self, envelope: Envelope[Any], /) -> None:
        """Take a message; never blocks.

        Raises
        ------
        Unavailable
            Too many wait already.
        """
        with self._changed:
            if envelope.message is WAKE:
                if self._woken:
                    return  # who waits knows already: a stream of rings must not run every actor's thread
                self._woken = True
            elif len(self._waiting) < LIMIT or type(envelope.message) is _STOP:
                self._waiting.append(envelope)
            else:
                raise Unavailable(
                    "Telling an actor was refused: too much waits there already. Try again later."
                )
            self._changed.notify()

    def get(self) -> Envelope[Any]:
        """Wait for a message, or for the time at which the actor wanted to look by itself."""
        with self._changed:
            while True:
                if self._waiting:
                    return self._waiting.popleft()
                now = time.monotonic()
                look = max(self._not_before, 0.0 if self._woken else self._due)
                if look <= now:
                    self._woken = False
                    self._due = float("inf")
                    return Envelope(WAKE)
                self._changed.wait(None if look == float("inf") else look - now)

    def empty(self) -> bool:
        """Say whether a message waits that somebody wants an answer to."""
        with self._changed:
            return not self._waiting

    def look_again(self, wait_s: float, *, not_before_s: float = 0.0) -> None:
        """Say when to wake the actor by itself, and how soon a ring may."""
        now = time.monotonic()
        with self._changed:
            self._due = now + wait_s
            self._not_before = now + not_before_s
