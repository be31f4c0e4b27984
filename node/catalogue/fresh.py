"""Reading through a row that may be old: a pack that was merged is gone, and its row says where the bytes are now.

Whoever holds a row for longer than one read, or reads while packs are merged,
reads through this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from node.catalogue.search import InstanceRow
from node.database.port import Database, read_as
from node.errors import NotFound

T = TypeVar("T")


def read_fresh(database: Database, row: InstanceRow, read: Callable[[InstanceRow], T]) -> T:
    """Read what a row means; when its pack is gone, look the row up once more and read there.

    Parameters
    ----------
    read
        Raises `NotFound` or `FileNotFoundError` when the pack is not there; called at most twice.

    Raises
    ------
    NotFound, FileNotFoundError
        The row means the same place still: the pack is missing.
    """
    try:
        return read(row)
    except (NotFound, FileNotFoundError):
        again = peek_content(database, row)
        if again is None or again.pack == row.pack:
            raise
    return read(again)


def peek_content(database: Database, row: InstanceRow) -> InstanceRow | None:
    """Give the row of the same content as it is now, or None."""
    rows = read_as(
        database,
        InstanceRow,
        "SELECT * FROM instance WHERE origin = ? AND study_uid = ? AND sop_uid = ? AND digest = ?",
        (row.origin, row.study_uid, row.sop_uid, row.digest),
    )
    return rows[0] if rows else None
