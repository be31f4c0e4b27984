"""A running database as it stands at one moment, in a file of its own.

One read transaction: who writes meanwhile does not wait, and nothing of what they write is in it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from node.errors import Unavailable

_BUSY_S = 30.0


def snapshot_sqlite(source: Path, target: Path) -> None:
    """Copy a database page by page; the copy needs no log beside it.

    Raises
    ------
    Unavailable
        The disk is full or failing; what is at ``target`` is nothing then.

    Source: SQLite Online Backup API, all pages in one step.
    """
    try:
        with (
            closing(sqlite3.connect(source, timeout=_BUSY_S, isolation_level=None)) as live,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            live.execute("PRAGMA query_only = ON")
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise Unavailable(
            f"Taking a snapshot of the database failed ({error}): see to the node's disk, then try again."
        ) from error
