"""Wake-ups between the processes of one node. A bell carries nothing that matters and may be lost.

Every listener must also look by itself once in a while.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SOCKET_PATH_LIMIT = 107
_MOMENT_S = 0.02
_CLOCK_TICK_NS = 1_000_000_000
"""A folder may change again within the tick of its time stamp: a list made so soon after a change is not kept."""


class Bell:
    """Rings for all processes that listen in one run-time folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._place = str(directory)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._inbox: socket.socket | None = None
        self._paths: list[str] = []
        self._changed_at = self._listed_at = 0
        self._own = directory / f"{os.getpid()}-{id(self):x}.bell"

    def ring(self) -> None:
        """Wake everybody who listens, here and in the other processes. Never blocks, never fails."""
        self._wake()
        for path in self._others():
            try:
                self._socket.sendto(b"!", path)
            except BlockingIOError:
                continue  # it has wake-ups waiting; one more would say nothing new
            except OSError:
                with suppress(OSError):
                    Path(path).unlink(missing_ok=True)  # its process is gone

    def _others(self) -> list[str]:
        """Give where others listen; looked up again when the folder changed, since it is asked for every instance."""
        try:
            changed_at = os.stat(self._place).st_mtime_ns  # noqa: PTH116  # after every instance: a Path's costs twice
            listed_at = time.time_ns()
            if changed_at != self._changed_at or changed_at > self._listed_at - _CLOCK_TICK_NS:
                own = str(self._own)
                self._paths = [path for path in map(str, self._directory.glob("*.bell")) if path != own]
                self._changed_at, self._listed_at = changed_at, listed_at
        except OSError:
            return []  # the disk does not say who listens; they look by themselves
        return self._paths

    def listen(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` at every ring, from a thread of the bell; it must return at once."""
        with self._lock:
            self._listeners.append(wake)
            if self._inbox is None:
                self._inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._inbox.bind(str(self._own))
                threading.Thread(target=self._run, args=(self._inbox,), name="bell", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            inbox, self._inbox = self._inbox, None
            self._listeners.clear()
        if inbox is not None:
            self._own.unlink(missing_ok=True)
            inbox.shutdown(socket.SHUT_RDWR)
            inbox.close()
        self._socket.close()

    def _run(self, inbox: socket.socket) -> None:
        """Wake at the first ring, then take what rings come within a moment for one: a device sends hundreds a second."""
        try:
            while inbox.recv(16):
                with suppress(BlockingIOError):
                    while inbox.recv(16, socket.MSG_DONTWAIT):
                        continue
                self._wake()
                time.sleep(_MOMENT_S)
        except OSError:
            return

    def _wake(self) -> None:
        for wake in tuple(self._listeners):
            wake()
