"""Reading through a row that may be old: a pack that was merged is gone, and its row says where the bytes are now.

Whoever holds a row for longer than one read, or reads while packs are merged,
reads through this. A row that lies in the archive alone brings its study online first, and waits for it; one whose
record is known to be damaged is healed first, or refused (`node.archive.scrub.damage` says what that does not protect).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from node.archive.archived import is_archived
from node.archive.recall.awaited import bring_for
from node.archive.scrub.damage import refusal
from node.archive.scrub.healing import heal_study
from node.catalogue.search import InstanceRow
from node.database.port import Database, read_as
from node.errors import NotFound
from node.failpoints import planted
from node.names import StudyKey
from node.node import Node
from node.store.directory import is_damaged

T = TypeVar("T")


def read_fresh(node: Node, row: InstanceRow, read: Callable[[InstanceRow], T]) -> T:
    """Read what a row means; when its pack is gone, look the row up once more and read there.

    Parameters
    ----------
    read
        Raises `NotFound` or `FileNotFoundError` when the pack is not there; called at most twice.

    Raises
    ------
    NotFound, FileNotFoundError
        The row means the same place still: the pack is missing.
    Unavailable, Damaged
        As `node.archive.recall.awaited.bring_for`.
    """
    try:
        return read(row)
    except (NotFound, FileNotFoundError):
        again = peek_moved(node, row)
        if again is None:
            raise
    return read(again)


def peek_moved(node: Node, row: InstanceRow) -> InstanceRow | None:
    """Give the row of the same content when it means another pack by now; one in the archive alone is brought first.

    Raises
    ------
    Unavailable
        As `node.archive.recall.awaited.bring_for`.
    Damaged
        The same, or its record is damaged and no whole copy of it is here.
    """
    again = peek_content(node.database, row)
    if again is not None and is_damaged(again.pack):
        heal_study(node, StudyKey(origin=row.origin, study_uid=row.study_uid))
        again = peek_content(node.database, row)
        if again is not None and is_damaged(again.pack):
            raise refusal()
    if again is not None and is_archived(again.pack):
        bring_for(node, StudyKey(origin=row.origin, study_uid=row.study_uid))
        again = peek_content(node.database, row)
    return again if again is not None and again.pack != row.pack else None


def with_its_series(node: Node, row: InstanceRow, *, who: str) -> InstanceRow:
    """Give a row as it is once its series was brought, where that lies in the archive alone; for whoever asked for no more of its study.

    Raises
    ------
    Unavailable, Damaged
        As `node.archive.recall.awaited.bring_for`.
    """
    again = peek_content(node.database, row) if is_archived(row.pack) else row
    if again is None or not is_archived(again.pack) or planted("series-brings-study"):
        return again or row
    bring_for(node, StudyKey(origin=row.origin, study_uid=row.study_uid), who=who, series_uid=row.series_uid)
    return peek_content(node.database, row) or row


def peek_content(database: Database, row: InstanceRow) -> InstanceRow | None:
    """Give the row of the same content as it is now, or None."""
    rows = read_as(
        database,
        InstanceRow,
        # The series says nothing more, and of what is folded only that one is looked through.
        "SELECT * FROM instance WHERE origin = ? AND study_uid = ? AND series_uid = ? AND sop_uid = ? AND digest = ?",
        (row.origin, row.study_uid, row.series_uid, row.sop_uid, row.digest),
    )
    return rows[0] if rows else None
