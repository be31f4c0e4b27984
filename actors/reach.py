"""How long to leave a mailbox host alone that did not answer: later each time, with chance, from 1 to 60 s.

Held in memory and shared by all actors that use the host: one that reaches it
sends the others there as well.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from node.names import NodeId

FIRST_S = 1.0
LONGEST_S = 60.0


@dataclass(slots=True)
class _Host:
    failures: int = 0
    not_before: float = 0.0


class Reach:
    """When each host may be tried again."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """``wake`` is called, from any thread, when a host answers that had not."""
        self._wake = wake
        self._lock = threading.Lock()
        self._hosts: dict[NodeId, _Host] = {}

    def wait_s(self, host: NodeId) -> float:
        """Give how long to wait before a host is tried; 0 for now."""
        with self._lock:
            known = self._hosts.get(host)
            return 0.0 if known is None else max(0.0, known.not_before - time.monotonic())

    def failed(self, host: NodeId) -> float:
        """Note that a host did not answer; give how long to wait.

        Several actors that fail at about the same time count once.
        """
        with self._lock:
            known = self._hosts.setdefault(host, _Host())
            now = time.monotonic()
            if known.not_before > now:
                return known.not_before - now
            wait = min(LONGEST_S, FIRST_S * 2.0**known.failures)
            wait *= random.uniform(0.75, 1.0)  # noqa: S311  # so that clinics do not all come at once
            known.failures = min(known.failures + 1, 10)
            known.not_before = now + wait
            return wait

    def reached(self, host: NodeId) -> None:
        """Note that a host answered."""
        with self._lock:
            was_away = self._hosts.pop(host, None) is not None
        if was_away:
            self._wake()
