"""A look at a cursor from a process that must not need the database: read-only, and never an error.

The receiver uses it to wait for the index. It opens the file anew for each
look, so that a database that comes, goes or is restored is met as it is.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


class Glance:
    """Looks at one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.resolve().as_uri()}?mode=ro"

    def position(self, reader: str) -> int | None:
        """Give a reader's position, 0 before its first step; None when the database cannot be read now."""
        try:
            with closing(sqlite3.connect(self._uri, uri=True, timeout=0)) as connection:
                row = connection.execute("SELECT position FROM cursor WHERE reader = ?", (reader,)).fetchone()
        except sqlite3.Error:
            return None
        return int(row[0]) if row else 0
