"""The archive of one node as a value: its stores, the folder it works in, and the processes that code for it."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from node.archive.opened import OpenPackages
from node.archive.requests import Patience
from node.archive.stores.port import ArchiveStore
from node.archive.workers import Workers
from node.clock import Clock, new_id
from node.errors import NotFound


class ArchiveTier:
    """Composed once for each process; safe to share between threads."""

    def __init__(
        self, folder: Path, stores: Sequence[ArchiveStore], *, copies: int, processes: int = 2
    ) -> None:
        """Take a node's stores.

        Parameters
        ----------
        folder
            Below the state folder, for what is being made; on a disk with room for a study.
        copies
            Stores in which a package is verified before its online copy may go.
        """
        self.folder = folder
        self.stores = tuple(stores)
        self.copies = copies
        self.opened = OpenPackages()
        """Packages that are read where they lie."""
        self._processes = processes
        self._workers: dict[Patience, Workers] = {}
        self._lock = threading.Lock()

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
        return self._started(Patience.ANY)

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
    def alone(self, name: str) -> Iterator[None]:
        """Wait until no other thread or process of this node does something under this name."""
        locks = self.folder / "locks"
        locks.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

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
