"""A store that is a folder: a disk, a share of another machine, whatever stands behind a file system.

A file lies at ``ab/abcd...``, by the first two digits of its name. The folder holds a marker with the
store's name; without it the disk is not mounted, and nothing is written to where it should be. A share must be
mounted so that it gives up (NFS: ``soft``), since no process can leave a call that hangs.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

from node.archive.package.source import FileSource
from node.archive.stores.port import MARKER, Stored
from node.durable import put_file, sync_directory
from node.errors import Conflict, Damaged, NotFound, Unavailable
from node.failpoints import planted
from node.keys.sealed import sweep_parts
from node.names import Digest

_PIECE_BYTES = 1 << 20
_FOLDER = re.compile(r"[0-9a-f]{2}")
_NAME = re.compile(r"[0-9a-f]{64}")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


class FolderStore:
    """Packages in a folder."""

    def __init__(self, name: str, root: Path) -> None:
        self._name = name
        self._root = root

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_slow(self) -> bool:
        return False

    def prepare(self) -> None:
        """Make the folder this store's, once; the same again changes nothing.

        Raises
        ------
        NotFound
            There is no such folder: it is not made, since it may be a mount point.
        Conflict
            It is another store's.
        """
        if not self._root.is_dir():
            raise NotFound(f"Preparing {self._label} failed: {self._root} is no folder. Make or mount it.")
        with self._as_unavailable("Preparing"):
            found = self._marked()
            if found == self._name:
                return
            if found is not None:
                raise Conflict(
                    f"Preparing {self._label} was refused: {self._root} is store {found!r}. Use an empty folder."
                )
            put_file(self._root / MARKER, f"{self._name}\n".encode(), mode=0o600)

    def put(self, package: Digest, file: Path) -> Stored:
        target = self._path(package)
        part = target.with_name(f"{package}.{secrets.token_hex(8)}.part")
        with closing(FileSource(file)) as source, self._as_unavailable("Storing a package in"):
            self._check_marker("Storing a package in")
            self._make_folder(target.parent)
            sweep_parts(target.parent)
            try:
                with _locked_part(part) as descriptor:
                    digest = _copy_synced(source, descriptor)
                    if digest != package and not planted("put-unchecked"):
                        raise Damaged(
                            f"Storing a package in {self._label} failed: {file.name} is not what its name says."
                            " Make it again."
                        )
                    part.rename(target)
                    sync_directory(target.parent)
            finally:
                part.unlink(missing_ok=True)
        return Stored(package=package, stored_name=package, size_bytes=source.size)

    def open(self, stored: Stored) -> FolderFile:
        with self._as_unavailable("Opening a package in"):
            self._check_marker("Opening a package in")
            try:
                return FolderFile(self._label, self._path(stored.stored_name))
            except NotFound:
                self._check_marker("Opening a package in")  # it may have been unmounted in between
                raise

    def near(self, stored: Stored) -> Path | None:
        path = self._path(stored.stored_name)
        return path if self._marked() == self._name and path.is_file() else None

    def read_back(self, stored: Stored) -> Iterator[bytes]:
        file = self.open(stored)
        try:
            with self._as_unavailable("Reading back a package in"):
                forget(self._path(stored.stored_name))
            for at in range(0, file.size, _PIECE_BYTES):
                yield file.read_at(at, min(_PIECE_BYTES, file.size - at))
        finally:
            file.close()
            with suppress(OSError):  # whoever reads packages keeps what the kernel remembers of others
                forget(self._path(stored.stored_name))

    def remove(self, stored_name: Digest) -> None:
        path = self._path(stored_name)
        with self._as_unavailable("Removing a package from"):
            self._check_marker("Removing a package from")
            try:
                path.unlink()
            except FileNotFoundError:
                return
            sync_directory(path.parent)

    def names(self, *, after: str = "") -> Iterator[Digest]:
        with self._as_unavailable("Listing"):
            self._check_marker("Listing")
            folders = [each for each in self._root.iterdir() if _FOLDER.fullmatch(each.name)]
            for folder in sorted(each for each in folders if each.name >= after[: len(each.name)]):
                names = sorted(path.name for path in folder.iterdir())
                yield from (Digest(name) for name in names if _NAME.fullmatch(name) and name > after)
            self._check_marker("Listing")  # a disk that went meanwhile leaves an empty folder

    def listed(self) -> Iterator[Stored]:
        for name in self.names():
            with self._as_unavailable("Listing"):
                size = self._path(name).stat().st_size
            yield Stored(package=name, stored_name=name, size_bytes=size)

    def room(self) -> int | None:
        with self._as_unavailable("Measuring"):
            self._check_marker("Measuring")
            found = os.statvfs(self._root)
            return found.f_bavail * found.f_frsize

    def close(self) -> None:
        """Nothing is held."""

    def _path(self, stored_name: Digest) -> Path:
        return self._root / stored_name[:2] / stored_name

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            return
        sync_directory(self._root)

    def _marked(self) -> str | None:
        try:
            return (self._root / MARKER).read_text("utf-8").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _check_marker(self, attempt: str) -> None:
        if planted("store-marker-ignored"):
            return
        found = self._marked()
        if found is None:
            raise Unavailable(
                f"{attempt} {self._label} failed: {self._root} is not mounted. Mount it, try again."
            )
        if found != self._name:
            raise Unavailable(
                f"{attempt} {self._label} failed: at {self._root} lies store {found!r}. Mount the right one, try again."
            )

    @property
    def _label(self) -> str:
        return f"archive store {self._name!r}"

    def _as_unavailable(self, attempt: str) -> AbstractContextManager[None]:
        return _as_unavailable(f"{attempt} {self._label}")


class FolderFile(FileSource):
    """A package in a folder."""

    def __init__(self, label: str, path: Path) -> None:
        super().__init__(path)
        self._label = label

    def read_at(self, offset: int, length: int) -> bytes:
        try:  # each frame comes this way: no context is made for it
            return super().read_at(offset, length)
        except OSError as error:
            raise Unavailable(f"Reading a package in {self._label} failed: {_remedy(error)}.") from error


@contextmanager
def _as_unavailable(attempt: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{attempt} failed: {_remedy(error)}.") from error


@contextmanager
def _locked_part(part: Path) -> Iterator[int]:
    """Begin a file that `sweep_parts` leaves alone while its writer lives."""
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _copy_synced(source: FileSource, descriptor: int) -> Digest:
    hash_ = hashlib.sha256()
    for at in range(0, source.size, _PIECE_BYTES):
        piece = source.read_at(at, min(_PIECE_BYTES, source.size - at))
        hash_.update(piece)
        _write(descriptor, piece)
    if not planted("no-store-sync"):
        os.fsync(descriptor)
    return Digest(hash_.hexdigest())


def forget(path: Path) -> None:
    """Have the kernel drop what it remembers of a file, so that reading it reads the disk. Source: posix_fadvise(2)."""
    if planted("verify-from-cache"):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _remedy(error: OSError) -> str:
    if error.errno in _FULL:
        return "it is full. Free some space or add a store, try again"
    if error.errno in _READ_ONLY:
        return f"it may only be read ({error.strerror}). Mount it for writing, try again"
    return f"{error.strerror}. See to the disk, try again"
