"""Archive stores under test, files to put there, and stores that lie."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from node.archive.stores.port import ArchiveStore, Stored, StoredFile
from node.clock import MINUTE, Micros
from node.errors import NotReady, Unavailable
from node.names import Digest
from tests.kit.clock import FrozenClock

T = TypeVar("T")


@lru_cache(maxsize=8)
def content_of(size: int, word: str = "phantom") -> bytes:
    """Give bytes that no compression makes less of."""
    return hashlib.shake_128(word.encode()).digest(size)


def digest_of(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())


def file_with(folder: Path, content: bytes) -> tuple[Digest, Path]:
    """Write a file that stands for a package, named as packages are."""
    digest = digest_of(content)
    path = folder / f"{digest}.zip"
    path.write_bytes(content)
    return digest, path


def once_ready(clock: FrozenClock, ask: Callable[[], T]) -> T:
    """Ask; where a slow medium says when it is ready, ask again then."""
    try:
        return ask()
    except NotReady as error:
        clock.advance(error.ready_at - clock.now())
        return ask()


class Around:
    """A store around another: what lies about one thing is honest about all others."""

    def __init__(self, inner: ArchiveStore) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def is_slow(self) -> bool:
        return self.inner.is_slow

    def put(self, package: Digest, file: Path) -> Stored:
        return self.inner.put(package, file)

    def open(self, stored: Stored) -> StoredFile:
        return self.inner.open(stored)

    def near(self, stored: Stored) -> Path | None:
        return self.inner.near(stored)

    def read_back(self, stored: Stored) -> Iterator[bytes]:
        return self.inner.read_back(stored)

    def remove(self, stored_name: Digest) -> None:
        self.inner.remove(stored_name)

    def names(self, *, after: str = "") -> Iterator[Digest]:
        return self.inner.names(after=after)

    def listed(self) -> Iterator[Stored]:
        return self.inner.listed()

    def room(self) -> int | None:
        return self.inner.room()

    def close(self) -> None:
        self.inner.close()


class Far(Around):
    """Lies on no disk of this machine, and counts what it gives; it fails from ``fails_after`` bytes on."""

    def __init__(self, inner: ArchiveStore) -> None:
        super().__init__(inner)
        self.read: list[tuple[int, int]] = []
        """Offset and length of each range that was read."""
        self.whole = 0
        """How often all of a package was asked for."""
        self.fails_after: int | None = None

    def forget(self) -> None:
        """Begin to count again."""
        self.read.clear()
        self.whole = 0

    @property
    def read_bytes(self) -> int:
        return sum(length for _, length in self.read)

    def near(self, stored: Stored) -> Path | None:
        return None

    def open(self, stored: Stored) -> StoredFile:
        return FarFile(self, self.inner.open(stored))

    def read_back(self, stored: Stored) -> Iterator[bytes]:
        self.whole += 1
        at = 0
        for piece in self.inner.read_back(stored):
            self.count(at, len(piece))
            at += len(piece)
            yield piece

    def count(self, offset: int, length: int) -> None:
        if self.fails_after is not None and self.read_bytes + length > self.fails_after:
            raise Unavailable("Reading a package failed: the line is cut. Try again.")
        self.read.append((offset, length))


class FarFile:
    """A file of such a store."""

    def __init__(self, store: Far, file: StoredFile) -> None:
        self._store = store
        self._file = file
        self.size = file.size

    def read_at(self, offset: int, length: int) -> bytes:
        self._store.count(offset, length)
        return self._file.read_at(offset, length)

    def close(self) -> None:
        self._file.close()


class Forgetful(Around):
    """Says that it keeps what it does not."""

    def put(self, package: Digest, file: Path) -> Stored:
        stored = self.inner.put(package, file)
        self.inner.remove(stored.stored_name)
        return stored


class Stale(Around):
    """Gives what it was given first, whatever came later."""

    def __init__(self, inner: ArchiveStore) -> None:
        super().__init__(inner)
        self.first: Stored | None = None

    def put(self, package: Digest, file: Path) -> Stored:
        stored = self.inner.put(package, file)
        self.first = self.first or stored
        return stored

    def open(self, stored: Stored) -> StoredFile:
        return self.inner.open(self.first or stored)

    def read_back(self, stored: Stored) -> Iterator[bytes]:
        return self.inner.read_back(self.first or stored)


class Flipping(Around):
    """Gives one bit otherwise, ``at`` bytes from the beginning."""

    def __init__(self, inner: ArchiveStore, at: int) -> None:
        super().__init__(inner)
        self.at = at

    def open(self, stored: Stored) -> StoredFile:
        return FlippedFile(self.inner.open(stored), self.at)

    def read_back(self, stored: Stored) -> Iterator[bytes]:
        begin = 0
        for piece in self.inner.read_back(stored):
            yield flipped(piece, self.at - begin)
            begin += len(piece)


class FlippedFile:
    """A file of such a store."""

    def __init__(self, file: StoredFile, at: int) -> None:
        self._file = file
        self._at = at
        self.size = file.size

    def read_at(self, offset: int, length: int) -> bytes:
        return flipped(self._file.read_at(offset, length), self._at - offset)

    def close(self) -> None:
        self._file.close()


def flipped(piece: bytes, at: int) -> bytes:
    """Give bytes with the lowest bit of one changed, when it is among them."""
    if not 0 <= at < len(piece):
        return piece
    return piece[:at] + bytes((piece[at] ^ 1,)) + piece[at + 1 :]


class Dribbling(Around):
    """Takes minutes for each piece, by a clock that stands still otherwise."""

    def __init__(self, inner: ArchiveStore, clock: FrozenClock, *, each: Micros = 2 * MINUTE) -> None:
        super().__init__(inner)
        self.clock = clock
        self.each = each

    def read_back(self, stored: Stored) -> Iterator[bytes]:
        for piece in self.inner.read_back(stored):
            self.clock.advance(self.each)
            yield piece
