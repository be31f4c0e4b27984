"""A store whose medium must be fetched first: a tape library, a cold class of an object store.

What may be read, and from when, is kept here in memory: whoever asks again after a restart waits again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from node.archive.stores.port import ArchiveStore, Stored, StoredFile
from node.clock import MINUTE, SECOND, Clock, Micros
from node.errors import NotReady
from node.names import Digest

_KEPT: Micros = 24 * 60 * MINUTE
"""How long a package that was fetched can be read."""


class SlowStore:
    """A store around another, which gives a package some minutes after it was asked for it."""

    def __init__(self, inner: ArchiveStore, *, slow_minutes: int, clock: Clock) -> None:
        self._inner = inner
        self._slow = slow_minutes * MINUTE
        self._clock = clock
        self._lock = threading.Lock()
        self._ready_at: dict[Digest, Micros] = {}

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def is_slow(self) -> bool:
        return True

    def put(self, package: Digest, file: Path) -> Stored:
        return self._inner.put(package, file)

    def open(self, stored: Stored) -> StoredFile:
        file = self._inner.open(stored)  # what is not there is said at once
        try:
            self._check_ready(stored.stored_name)
        except NotReady:
            file.close()
            raise
        return file

    def near(self, stored: Stored) -> Path | None:
        return None

    def read_back(self, stored: Stored) -> Iterator[bytes]:
        self.open(stored).close()
        yield from self._inner.read_back(stored)

    def remove(self, stored_name: Digest) -> None:
        self._inner.remove(stored_name)
        with self._lock:
            self._ready_at.pop(stored_name, None)

    def names(self, *, after: str = "") -> Iterator[Digest]:
        return self._inner.names(after=after)

    def listed(self) -> Iterator[Stored]:
        return self._inner.listed()

    def room(self) -> int | None:
        return self._inner.room()

    def close(self) -> None:
        self._inner.close()

    def _check_ready(self, stored_name: Digest) -> None:
        now = self._clock.now()
        with self._lock:
            self._ready_at = {name: at for name, at in self._ready_at.items() if now < at + _KEPT}
            ready_at = self._ready_at.setdefault(stored_name, now + self._slow)
        if now < ready_at:
            when = datetime.fromtimestamp(ready_at // SECOND, UTC)
            raise NotReady(
                f"Opening a package in archive store {self.name!r} was put off: it is being fetched from a slow"
                f" medium. Try again from {when:%H:%M} UTC on.",
                ready_at=ready_at,
            )
