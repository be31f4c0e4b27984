"""The archive of one node as a value: its stores, the folder it works in, and the processes that code for it."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from node.archive.opened import OpenPackages
from node.archive.package.requests import Patience
from node.archive.package.workers import Workers
from node.archive.stores.port import ArchiveStore
from node.clock import Clock, Micros, new_id
from node.errors import NotFound, Waited

QUEUE = "archive"
"""Of its jobs."""
READERS = 4
"""Readers of one process that bring studies for themselves at once; others wait their turn."""
MOST_LATE = 1_000
_LOOK_S = 0.02


class ArchiveTier:
    """Composed once for each process; safe to share between threads."""

    def __init__(
        self,
        folder: Path,
        stores: Sequence[ArchiveStore],
        *,
        copies: int,
        processes: int = 2,
        yields: bool = True,
    ) -> None:
        """Take a node's stores.

        Parameters
        ----------
        folder
            Below the state folder, for what is being made; on a disk with room for a study.
        copies
            Stores in which a package is verified before its online copy may go.
        yields
            Packages are made with what others leave of the machine.
        """
        self.folder = folder
        self.stores = tuple(stores)
        self.copies = copies
        self.opened = OpenPackages()
        """Packages that are read where they lie."""
        self._processes = processes
        self._making = Patience.ANY if yields else Patience.SOON
        self._workers: dict[Patience, Workers] = {}
        self._lock = threading.Lock()
        self._late: dict[str, Micros] = {}
        self._turns = threading.BoundedSemaphore(READERS)

    def store(self, name: str) -> ArchiveStore:
        """Give a store by its name.

        Raises
        ------
        NotFound
            None is configured under it.
        """
        for store in self.stores:
            if store.name == name:
                return store
        raise NotFound(
            f"Reading the archive failed: there is no store {name!r}. Name it in [[archive.store]]."
        )

    @property
    def workers(self) -> Workers:
        """The processes that make packages, started when they are first needed; whoever answers goes before them."""
        return self._started(self._making)

    @property
    def recallers(self) -> Workers:
        """The processes that make originals again, for which somebody waits."""
        return self._started(Patience.SOON)

    def _started(self, patience: Patience) -> Workers:
        with self._lock:
            if patience not in self._workers:
                self._workers[patience] = Workers(self._processes, patience)
            return self._workers[patience]

    @contextmanager
    def work_folder(self, clock: Clock) -> Iterator[Path]:
        """Give a folder of one's own that vanishes; one that a crash left is taken away by `clean`."""
        folder = self.folder / "work" / new_id(clock)
        folder.mkdir(parents=True, mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)

    def clean(self) -> None:
        """Take away work folders whose maker is gone."""
        for folder in sorted((self.folder / "work").glob("*")):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            except BlockingIOError:
                pass
            finally:
                os.close(descriptor)

    @contextmanager
    def alone(self, name: str, *, wait_s: float | None = None) -> Iterator[None]:
        """Wait until no other thread or process of this node does something under this name.

        Raises
        ------
        Waited
            Somebody still did after ``wait_s`` seconds.
        """
        locks = self.folder / "locks"
        locks.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if wait_s is None:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            else:
                _lock_within(descriptor, wait_s)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def turn(self, *, wait_s: float) -> Iterator[None]:
        """Wait until fewer readers of this process than it bears bring studies for themselves.

        Raises
        ------
        Waited
            As many still did after ``wait_s`` seconds.
        """
        if not self._turns.acquire(timeout=wait_s):
            raise Waited("Reading the archive was put off: others are before it. Try again later.")
        try:
            yield
        finally:
            self._turns.release()

    def note_late(self, subject: str, *, now: Micros) -> None:
        """Keep that somebody waited for a study in vain: whoever reads its next instance need not wait as long again."""
        with self._lock:
            self._late[subject] = now
            while len(self._late) > MOST_LATE:
                self._late.pop(next(iter(self._late)))

    def is_late(self, subject: str, *, now: Micros, for_: Micros) -> bool:
        """Say whether that was so lately."""
        with self._lock:
            return now - for_ < self._late.get(subject, now - for_) <= now

    def is_free(self, name: str) -> bool:
        """Say whether nobody does anything under this name now."""
        try:
            descriptor = os.open(self.folder / "locks" / name, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def close(self) -> None:
        """End the processes, and let go of packages."""
        self.opened.close()
        with self._lock:
            for workers in self._workers.values():
                workers.close()
            self._workers.clear()


def _lock_within(descriptor: int, wait_s: float) -> None:
    """Take a lock that others may hold; the kernel wakes nobody by a deadline, so it is looked at."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Waited(
                    "Reading the archive was put off: others are before it. Try again later."
                ) from None
            time.sleep(_LOOK_S)
        else:
            return
