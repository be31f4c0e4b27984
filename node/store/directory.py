"""The folder of packs: names, who holds which pack, and which the index has not caught up with.

A pack is ``KIND-UUID.pack``. It is held by an flock while its writer lives. A
file of its name in ``landing/`` says that the index may lag behind it; that
file comes with the pack and goes when the index has read its end record. A
short lock on the whole folder keeps a pack from being seen half made.

A merged pack is written in ``merging/``, where nobody takes it for a pack, and
gets its name once it is whole and synced. Its entry in ``merging/`` stays until
the catalogue means it, so that what a crash left can be told from what counts.

A backup pins packs while it copies: what its rows mean stays, although other rows
mean a merged pack by then. The pin is a shared lock on ``merging/`` itself.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from node.clock import Clock, new_id
from node.durable import sync_directory
from node.errors import InvalidRequest, Unavailable
from node.failpoints import planted

MERGED = "merged"
"""The kind of packs that take the place of others; no process writes under it, so none recovers them."""
ARCHIVED = "archive"
"""The kind of name that rows mean while their bytes are in the archive alone: no such pack lies here."""
DAMAGED = "damaged"
"""The kind of name that rows mean whose record is known to be damaged: no such pack lies here, so nobody serves it."""
DELETED = "deleted"
"""The kind of name that stands for what took the place of a deleted study's packs: nothing."""
_KIND = re.compile(r"[a-z][a-z0-9]{0,15}")
_NAME = re.compile(r"[a-z][a-z0-9]{0,15}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class PackDirectory:
    """Where a node's packs lie."""

    def __init__(self, path: Path, clock: Clock, kind: str) -> None:
        if not _KIND.fullmatch(kind) or kind in (MERGED, ARCHIVED, DAMAGED, DELETED):
            raise InvalidRequest(
                f"Naming a writer of packs {kind!r} was refused: use 1 to 16 of a-z 0-9, not {MERGED!r}, {ARCHIVED!r}, {DAMAGED!r} or {DELETED!r}."
            )
        self._path = path
        self._landing = path / "landing"
        self._merging = path / "merging"
        self._clock = clock
        self._kind = kind
        for folder in (self._landing, self._merging):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, name: str) -> Path:
        """Give where a pack lies, whether it is there or not.

        Raises
        ------
        InvalidRequest
            The name is no pack's.
        """
        return _pack_file(self._path, name)

    def names(self) -> list[str]:
        """Give all packs, of all writers, each writer's oldest first."""
        return sorted(entry.name[:-5] for entry in os.scandir(self._path) if entry.name.endswith(".pack"))

    def landing(self) -> list[str]:
        """Give the packs that the index may not have caught up with, each writer's oldest first."""
        return sorted(entry.name for entry in os.scandir(self._landing) if _NAME.fullmatch(entry.name))

    def own_landing(self) -> list[str]:
        """Give those of them that were written by this kind of writer."""
        return [name for name in self.landing() if name.startswith(f"{self._kind}-")]

    def is_landing(self, name: str) -> bool:
        return (self._landing / name).exists()

    def landed(self, name: str) -> None:
        """Say that the index has caught up with a pack, whole.

        Nobody recovers a pack that is not landing, and its end mark was written without a sync: so it is synced first.

        Raises
        ------
        Unavailable
            The disk did not sync it; it is still landing.
        """
        if not planted("no-landed-sync"):
            self._sync(name)
        (self._landing / name).unlink(missing_ok=True)

    def create(self) -> tuple[str, int]:
        """Make a pack, held and with its name synced; give its name and descriptor.

        Raises
        ------
        Unavailable
            The disk would not take it.
        """
        name = f"{self._kind}-{new_id(self._clock)}"
        try:
            descriptor = self._make(name)
            try:
                if not planted("no-directory-sync"):
                    sync_directory(self._landing)
                    sync_directory(self._path)
            except OSError:
                os.close(descriptor)
                raise
        except OSError as error:
            with suppress(OSError):
                self.discard(name)
            raise Unavailable(
                f"Storing an instance was refused: beginning a pack failed ({error.strerror})."
                " Check the disk, then send again."
            ) from error
        return name, descriptor

    def claim(self, name: str) -> int | None:
        """Take over a pack whose writer is gone; None while one lives, or when there is no such pack."""
        with self._whole():
            try:
                descriptor = os.open(self.path(name), os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                self.landed(name)
                return None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            return descriptor

    def discard(self, name: str) -> None:
        """Remove a pack that holds nothing; the caller holds it."""
        with self._whole():
            self.path(name).unlink(missing_ok=True)
            self.landed(name)

    def land(self, name: str) -> None:
        """Say that the index is to look at a pack."""
        (self._landing / name).touch(mode=0o600)

    def begin_merge(self) -> tuple[str, int]:
        """Make the file of a merged pack, held, that does not bear its name yet; give both."""
        name = f"{MERGED}-{new_id(self._clock)}"
        with self._whole():
            descriptor = os.open(
                self._merging / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        return name, descriptor

    def publish(self, name: str) -> None:
        """Give a merged pack its name, synced; from here on readers may find it."""
        sync_directory(self._merging)
        os.link(self._merging / name, self.path(name))
        sync_directory(self._path)

    def merging(self) -> list[str]:
        """Give the merged packs of which it is not settled yet whether they count."""
        return sorted(entry.name for entry in os.scandir(self._merging) if _NAME.fullmatch(entry.name))

    def claim_merge(self, name: str) -> int | None:
        """Take over a merged pack whose writer is gone; None while one lives, or when it was settled."""
        with self._whole():
            try:
                descriptor = os.open(self._merging / name, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            return descriptor

    def end_merge(self, name: str, *, kept: bool) -> None:
        """Settle a merged pack that the caller holds: it counts from here on, or vanishes."""
        if not kept:
            self.remove(name)
        (self._merging / name).unlink(missing_ok=True)

    def remove(self, *names: str) -> None:
        """Remove packs whose records stand elsewhere."""
        for name in names:
            self.path(name).unlink(missing_ok=True)
            self.landed(name)
        if names:
            sync_directory(self._path)

    def set_aside(self, name: str) -> None:
        """Move a damaged pack, that no row means any more, into ``damaged/``: for whoever finds out what happened to it."""
        folder = self._path / DAMAGED
        folder.mkdir(exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):
            self.path(name).rename(folder / self.path(name).name)
        (self._landing / name).unlink(missing_ok=True)
        sync_directory(folder)
        sync_directory(self._path)

    def forget_aside(self, name: str) -> None:
        """Remove a pack that was set aside, of a study that was deleted."""
        aside = self._path / DAMAGED / self.path(name).name
        if aside.exists():
            aside.unlink(missing_ok=True)
            sync_directory(aside.parent)

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """Keep packs from being unlinked because their records stand elsewhere, until the block or its process ends."""
        with _flocked(self._merging, fcntl.LOCK_SH):
            yield

    @contextmanager
    def unpinned(self) -> Iterator[bool]:
        """Say whether packs may be unlinked; while the block lasts nobody begins to pin them."""
        descriptor = os.open(self._merging, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        free = True
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free = False
            yield free
        finally:
            os.close(descriptor)

    def free_bytes(self) -> int:
        """Give the free space on the disk under the packs."""
        found = os.statvfs(self._path)
        return found.f_bavail * found.f_frsize

    def _make(self, name: str) -> int:
        with self._whole():
            (self._landing / name).touch(mode=0o600)
            descriptor = os.open(self.path(name), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            return descriptor

    def _sync(self, name: str) -> None:
        """Sync a pack, if it is there."""
        try:
            descriptor = os.open(self.path(name), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            raise Unavailable(
                f"Taking pack {name} off the landing failed: syncing it failed ({error.strerror})."
                " Check the disk; it is tried again."
            ) from error
        finally:
            os.close(descriptor)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        with _flocked(self._path, fcntl.LOCK_EX):
            yield


@contextmanager
def _flocked(folder: Path, how: int) -> Iterator[None]:
    """Hold the lock of a folder; the kernel takes it off a process that ends, however it ends."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def damaged_name(pack: str) -> str:
    """Name what rows mean from when their records in a pack are known to be damaged."""
    return f"{DAMAGED}-{pack.partition('-')[2]}"


def is_damaged(pack: str) -> bool:
    """Say whether a row that means this name has no bytes that may be served."""
    return pack.startswith(f"{DAMAGED}-")


@lru_cache(maxsize=1024)
def _pack_file(folder: Path, name: str) -> Path:
    """Give where a pack lies; asked for each instance of a study that is read."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"Reading pack {name!r} was refused: that is not the name of one.")
    return folder / f"{name}.pack"
