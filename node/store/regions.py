"""Runs of bytes in pack files, others that are made, and answers of both: pieces that need no memory until they are sent.

Whoever sends pieces knows the length of the whole before the first byte. A pack
that was merged meanwhile is found again by the region itself.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from node.errors import Damaged, GridError, NotFound, Unavailable

CHUNK_BYTES = 512 << 10
IN_MEMORY_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A run of bytes in a file."""

    path: Path
    offset: int
    length: int
    again: Callable[[], Region | None] | None = field(default=None, compare=False)
    """Says where the bytes are when the file is gone by the time they are sent; None: they are gone too. Blocks."""


Piece = bytes | Region


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Bytes that are made when their turn comes; how many is known before."""

    length: int
    make: Callable[[], bytes]

    def give(self) -> bytes:
        """Make them: as many as were promised, since others follow them. Blocks.

        Raises
        ------
        Damaged
            They cannot be made, or are of another length: whatever was begun with them must break off.
        """
        try:
            found = self.make()
        except GridError as error:
            raise Damaged(f"Reading an instance failed on the way. {error.message}") from error
        if len(found) != self.length:
            raise Damaged(
                "Reading an instance failed on the way: its frames are not of the size that it says. Read it as stored."
            )
        return found


def length_of(piece: bytes | memoryview | Region | Made) -> int:
    """Give the length of a piece in bytes."""
    return len(piece) if isinstance(piece, (bytes, memoryview)) else piece.length


def size_of(pieces: Sequence[bytes | memoryview | Region | Made]) -> int:
    """Give the length of all in bytes."""
    return sum(map(length_of, pieces))


def read_pieces(pieces: Sequence[Piece]) -> bytes:
    """Read everything; for what is small. Blocks."""
    return b"".join(chunks_of(pieces))


def chunks_of(pieces: Sequence[Piece], *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Give the bytes in order, no more than a chunk in memory. Blocks.

    Raises
    ------
    FileNotFoundError
        A pack is gone, and its region does not say where to.
    Damaged
        A pack ends too early.
    """
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        descriptor, region = opened(piece)
        try:
            for offset in range(region.offset, region.offset + region.length, chunk_bytes):
                count = min(chunk_bytes, region.offset + region.length - offset)
                yield read_exactly(descriptor, offset, count)
        finally:
            os.close(descriptor)


def read_exactly(descriptor: int, offset: int, length: int) -> bytes:
    """Read a stretch of an open file whole.

    Raises
    ------
    Damaged
        The file ends before.
    """
    chunks = []
    while length:
        chunk = os.pread(descriptor, length, offset)
        if not chunk:
            raise Damaged("Reading an instance failed: its pack ends too early. Run 'meridian verify'.")
        chunks.append(chunk)
        offset, length = offset + len(chunk), length - len(chunk)
    return b"".join(chunks)


def view_of(piece: Piece) -> bytes | memoryview:
    """Give a piece as bytes, a stretch of a pack mapped and not read: only what is looked at comes into memory.

    Raises
    ------
    NotFound, FileNotFoundError
        Its pack is gone.
    """
    if isinstance(piece, bytes) or not piece.length:
        return piece if isinstance(piece, bytes) else b""
    descriptor, region = opened(piece)
    skipped = region.offset % mmap.ALLOCATIONGRANULARITY
    try:
        mapped = mmap.mmap(
            descriptor, region.length + skipped, access=mmap.ACCESS_READ, offset=region.offset - skipped
        )
    finally:
        os.close(descriptor)
    return memoryview(mapped)[skipped:]


def whole_of(pieces: Sequence[bytes | memoryview], directory: Path) -> bytes | memoryview:
    """Give bytes as one: a single piece as it is, small ones joined, large ones in a file without a name.

    Parameters
    ----------
    directory
        Where such a file lies meanwhile, on a disk with room.

    Raises
    ------
    Unavailable
        The disk has none.
    """
    if len(pieces) == 1:
        return pieces[0]
    if sum(map(len, pieces)) <= IN_MEMORY_BYTES:
        return b"".join(pieces)
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            size = os.fstat(file.fileno()).st_size
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    except OSError as error:
        raise Unavailable(
            f"Reading an instance failed: the disk does not take it ({error.strerror}). Free some space, try again."
        ) from error


def opened(region: Region) -> tuple[int, Region]:
    """Open the file that a region lies in; give it with the region as it is now: a merged pack is found again.

    Raises
    ------
    FileNotFoundError, NotFound
        The pack is gone, and the region does not say where to; or says it wrongly.
    """
    try:
        return os.open(region.path, os.O_RDONLY | os.O_CLOEXEC), region
    except FileNotFoundError:
        moved = region.again() if region.again is not None else None
        if moved is None:
            raise
    try:
        return os.open(moved.path, os.O_RDONLY | os.O_CLOEXEC), moved
    except FileNotFoundError as error:
        raise NotFound("Reading an instance failed: its pack is gone. Run 'meridian verify'.") from error
