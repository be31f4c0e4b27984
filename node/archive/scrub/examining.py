"""A pack read as its disk has it, whole, and compared with what was received: which of its rows mean damaged records.

Nothing is changed here. The kernel is asked to drop what it has of the pack first, so that the disk is read and not memory,
and again behind the reading, so that this does not push out what people read.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from node.catalogue.search import InstanceRow
from node.database.port import read_as
from node.errors import Damaged, GridError, NotFound, Unavailable
from node.failpoints import planted
from node.node import Node
from node.store.record import Foreign


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a stretch of a pack came to."""

    bytes: int
    """Read."""
    position: int | None
    """Where the next stretch begins; None at the end."""
    damaged: tuple[InstanceRow, ...] = ()
    words: str = ""
    """What is wrong first, with a row or with what no row means; empty when all is as it was."""
    meant: bool = True
    """Whether any row means the pack still."""


def rows_of(node: Node, pack: str, *, after: int = 0) -> list[InstanceRow]:
    """Give the rows that mean a pack, from an offset on."""
    sql = "SELECT * FROM online_instance WHERE pack = ? AND offset >= ? ORDER BY offset"
    return read_as(node.database, InstanceRow, sql, (pack, after))


def examine(node: Node, pack: str, *, after: int, most_bytes: int) -> Examined:
    """Compare the records of a pack that rows mean from an offset on, as many as fit, and at its end all of its frame.

    Raises
    ------
    Unavailable
        The disk, or the folder of packs, is not there.
    """
    rows, read, bad, words = rows_of(node, pack, after=after), 0, list[InstanceRow](), ""
    if not rows and not after:
        return Examined(bytes=0, position=None, meant=False)
    if not node.packs.path(pack).exists():
        return _missing(node, pack)
    with _dropping(node, pack):
        for row in rows:
            if read >= most_bytes:
                return Examined(bytes=read, position=row.offset, damaged=tuple(bad), words=words)
            found = _compare(node, row)
            read += row.meta_bytes + row.data_bytes
            if found:
                bad.append(row)
                words = words or found
        words = words or _frame_of(node, pack)
    return Examined(bytes=read, position=None, damaged=tuple(bad), words=words)


def is_broken(error: GridError) -> bool:
    """Say whether reading a pack failed for what lies there: other bytes, or a place that the disk cannot read."""
    if isinstance(error, Unavailable):
        return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EIO
    return isinstance(error, Damaged | Foreign)


def _compare(node: Node, row: InstanceRow) -> str:
    """Say what is wrong with a record; empty when it is what was received."""
    if planted("scrub-believes"):
        return ""
    try:
        digest = node.packs.check(row.location)
    except GridError as error:
        if not is_broken(error):
            raise
        return error.message
    return "" if digest == row.digest else f"pack {row.pack} holds another instance at byte {row.offset}"


def _frame_of(node: Node, pack: str) -> str:
    """Look at every record's head and at the end: also at what no row means, for whoever builds the index anew."""
    if planted("scrub-believes"):
        return ""
    meant = {row.offset for row in rows_of(node, pack)}
    try:
        for record in node.packs.marked(pack, 0):
            if record.location.offset not in meant:
                node.packs.check(record.location)
    except GridError as error:
        if not is_broken(error):
            raise
        return error.message
    return ""


def _missing(node: Node, pack: str) -> Examined:
    if not node.packs.names():
        raise Unavailable("Scrubbing packs was put off: their folder is empty. Mount the disk under it.")
    rows = rows_of(node, pack)  # merged or expired since it was listed?
    words = f"the file of pack {pack} is gone" if rows else ""
    return Examined(bytes=0, position=None, damaged=tuple(rows), words=words, meant=bool(rows))


@contextmanager
def _dropping(node: Node, pack: str) -> Iterator[None]:
    """Have the kernel drop a pack from memory before and after. Source: posix_fadvise(2)."""
    try:
        descriptor = os.open(node.packs.path(pack), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NotFound(f"Scrubbing pack {pack} failed: it is not here ({error.strerror}).") from error
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        yield
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
