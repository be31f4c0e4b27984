"""Whose turn it is to write: processes that share one database file write by turns.

SQLite's own lock has no queue: who waits for it sleeps and looks again, so a process
that writes without a pause keeps the others out for as long as it goes on.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.failpoints import planted


class Turnstile:
    """Two locks beside the file: who holds *next* waits for *turn*, and all others wait for *next*.

    A process that has just written therefore finds the one that waited before it. The
    kernel takes both locks off a process that ends, however it ends.
    """

    def __init__(self, path: Path) -> None:
        self._next = _open(path.with_name(path.name + "-next"))
        self._turn = _open(path.with_name(path.name + "-turn"))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and end it with the block; for one thread of a process."""
        if planted("no-turns"):
            yield
            return
        fcntl.flock(self._next, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of both files, which stay where they are."""
        os.close(self._next)
        os.close(self._turn)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
