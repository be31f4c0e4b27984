"""How many may be here at once: associations, and connections that may become one.

A connection that has not associated counts for itself, so that sockets which
send nothing, or half a PDU, keep no device out.
"""

from __future__ import annotations

import threading
from collections import Counter

HALF_OPEN = 128
HALF_OPEN_PER_ADDRESS = 32


class Places:
    """Counts who is here; for all threads."""

    def __init__(self, associations: int) -> None:
        self._most = associations
        self._associations = 0
        self._half_open: Counter[str] = Counter()
        self._lock = threading.Lock()

    def connect(self, address: str) -> bool:
        """Take a place for a connection; False when too many wait already, of all or of this address."""
        with self._lock:
            if self._half_open.total() >= HALF_OPEN or self._half_open[address] >= HALF_OPEN_PER_ADDRESS:
                return False
            self._half_open[address] += 1
            return True

    def associate(self, address: str) -> bool:
        """Turn a connection into an association; False when all places are taken."""
        with self._lock:
            if self._associations >= self._most:
                return False
            self._associations += 1
            self._leave_half_open(address)
            return True

    def leave(self, address: str, *, associated: bool) -> None:
        """Give the place back."""
        with self._lock:
            if associated:
                self._associations -= 1
            else:
                self._leave_half_open(address)

    def _leave_half_open(self, address: str) -> None:
        self._half_open[address] -= 1
        if self._half_open[address] <= 0:
            del self._half_open[address]
