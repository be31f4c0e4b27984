"""Wake-ups between the processes of one node. A bell carries nothing that matters and may be lost.

Every listener must also look by itself once in a while. A node has two bells,
each in a folder of its own: one for what was written to the database, which all
of its actors follow, one for what came to the landing, hundreds of times a
second, which only the index does.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SOCKET_PATH_LIMIT = 107
LANDING = "landing"
"""The folder of the landing's bell, within that of the other."""
MOMENT_S = 0.05
"""Rings that come closer than this are one: a device sends hundreds of instances a second."""
_IDLE_S = 5.0
_CLOCK_TICK_NS = 1_000_000_000
"""A folder may change again within the tick of its time stamp: a list made so soon after a change is not kept."""
_LOG = logging.getLogger(__name__)


class Bell:
    """Rings for all processes that listen in one run-time folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._inbox: socket.socket | None = None
        self._paths: list[str] = []
        self._changed_at = self._listed_at = 0
        self._own = directory / f"{os.getpid()}-{id(self):x}.bell"
        self._owed = threading.Event()
        self._ringing = threading.Lock()
        self._ringer: threading.Thread | None = None
        self._closed = False

    def ring(self) -> None:
        """Wake everybody who listens, here and in the other processes, very soon. Never blocks, never fails."""
        if self._owed.is_set():
            return
        with self._lock:
            self._owed.set()
            if self._ringer is None and not self._closed:
                ringer = threading.Thread(target=self._ring_on, name="ringer", daemon=True)
                try:
                    ringer.start()
                    self._ringer = ringer
                except RuntimeError:
                    self._owed.clear()  # no thread is to be had: listeners look by themselves, the next ring tries again

    def _ring_on(self) -> None:
        """Ring as often as is owed, until nothing has been for a while."""
        while True:
            self._owed.wait(_IDLE_S)
            with self._lock:
                if not self._owed.is_set():
                    self._ringer = None
                    return
            with self._ringing:
                if self._closed:
                    return
                self._owed.clear()
                self._ring_now()
            time.sleep(MOMENT_S)

    def _ring_now(self) -> None:
        self._wake()
        for path in self._others():
            try:
                self._socket.sendto(b"!", path)
            except (ConnectionRefusedError, FileNotFoundError):
                with suppress(OSError):
                    Path(path).unlink(missing_ok=True)  # its process is gone
            except OSError:
                continue  # most of all: it has wake-ups waiting, and one more would say nothing new

    def _others(self) -> list[str]:
        """Give where others listen; looked up again when the folder has changed."""
        try:
            changed_at = self._directory.stat().st_mtime_ns
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
        """Ring for the last time if that is owed, and stop listening."""
        with self._lock:
            inbox, self._inbox = self._inbox, None
            self._listeners.clear()
        with self._ringing:
            if self._owed.is_set() and not self._closed:
                self._ring_now()
            self._closed = True
        self._owed.set()  # the ringer's thread ends
        if inbox is not None:
            self._own.unlink(missing_ok=True)
            inbox.shutdown(socket.SHUT_RDWR)
            inbox.close()
        self._socket.close()

    def _run(self, inbox: socket.socket) -> None:
        try:
            while inbox.recv(16):
                self._wake()
        except OSError:
            return

    def _wake(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for wake in listeners:
            try:
                wake()
            except Exception:  # noqa: BLE001  # whoever listens and fails must not keep the others from hearing
                _LOG.exception("A listener failed when the bell rang")
