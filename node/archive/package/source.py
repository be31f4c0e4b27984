"""Where a package lies, read by ranges: a file here; a sealed one, or one in an object store, alike."""

from __future__ import annotations

import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

from node.errors import Damaged, NotFound

_OF_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    KeyError,
    OSError,
)
"""What libraries raise of damaged bytes."""


class Source(Protocol):
    """Where a package lies: read by ranges, from any thread."""

    @property
    def size(self) -> int: ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Give a range, all of it.

        Raises
        ------
        Damaged
            It ends before.
        """


class FileSource:
    """A package on a disk."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises
        ------
        NotFound
            It is not there.
        """
        try:
            self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotFound(
                f"Opening a package failed: {path.name} is not there. Look for its other copy."
            ) from error
        self.size = os.fstat(self.descriptor).st_size

    def read_at(self, offset: int, length: int) -> bytes:
        raw = os.pread(self.descriptor, length, offset)
        while len(raw) < length:
            more = os.pread(self.descriptor, length - len(raw), offset + len(raw))
            if not more:
                raise cut_off()
            raw += more
        return raw

    def read_into(self, offset: int, buffers: Sequence[bytearray | memoryview]) -> bool:
        """Fill buffers one behind the other by one read; False when not all were filled: `read_at` says why."""
        try:
            return os.preadv(self.descriptor, buffers, offset) == sum(map(len, buffers))
        except OSError:  # too many buffers, or a disk that fails
            return False

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_into(source: Source, offset: int, buffers: Sequence[bytearray | memoryview]) -> None:
    """Fill buffers one behind the other; out of a file without a copy in between. Raises as `Source.read_at`."""
    if isinstance(source, FileSource) and source.read_into(offset, buffers):
        return
    raw = memoryview(source.read_at(offset, sum(map(len, buffers))))
    for buffer in buffers:
        buffer[:] = raw[: len(buffer)]
        raw = raw[len(buffer) :]


class Seekable(io.RawIOBase):
    """A source as `zipfile` reads it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        length = max(min(len(buffer), self._source.size - self._at), 0)
        buffer[:length] = self._source.read_at(self._at, length)
        self._at += length
        return length


@contextmanager
def as_damaged(what: str) -> Iterator[None]:
    """Turn what libraries raise of damaged bytes into `Damaged`."""
    try:
        yield
    except _OF_DAMAGE as error:
        raise Damaged(f"Reading a package failed: {what}. Use its other copy.") from error


def compare(found: str, expected: str) -> None:
    """Raise `Damaged` unless a digest is the one expected."""
    if found != expected:
        raise Damaged("Reading a package failed: its bytes are not what was archived. Use its other copy.")


def cut_off() -> Damaged:
    """Make the error of a package that ends before it should."""
    return Damaged("Reading a package failed: it ends too early. Use its other copy.")
