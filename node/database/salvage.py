"""What can still be read of a database that is doubted: row by row, as far as its pages give them.

Nobody writes it meanwhile: whoever reads holds the node stopped. Of a table with a damaged page the rows before it are
given, and those behind it from the other end; what lies between is lost, and that is said.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from node.database.port import Row
from node.database.schema import MIGRATIONS
from node.errors import Damaged, InvalidRequest, Unavailable


class OldDatabase:
    """One SQLite file, opened to read and never written."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises
        ------
        Damaged
            It is no database, or its list of tables cannot be read.
        InvalidRequest
            A newer version wrote it.
        """
        self.lost: list[str] = []
        """Tables of which rows may be missing."""
        try:
            self._path = path
            self._connection = _only_read(path)
            (self.version,) = self._connection.execute("PRAGMA user_version").fetchone()
            listed = self._connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table'"
            ).fetchall()
        except sqlite3.Error as error:
            raise Damaged(
                f"Reading {path.name} failed ({error}): restore it from the backup, or rebuild without it."
            ) from error
        self.tables = frozenset(str(name) for (name,) in listed)
        if self.version > len(MIGRATIONS):
            raise InvalidRequest(
                f"Reading {path.name} was refused: it was written by a newer version. Install that version."
            )

    def rows(self, table: str) -> Iterator[Row]:
        """Give all rows of a table that can be read; a row may come twice where a page is damaged."""
        if table not in self.tables:
            return
        try:
            yield from self._rows(self._connection, table, "")
        except sqlite3.Error:
            self.lost.append(table)
            yield from self._backwards(table)

    def read(self, sql: str, params: tuple[int | str, ...] = ()) -> list[Row]:
        """Give the rows of one SELECT.

        Raises
        ------
        Damaged
            A page of them cannot be read.
        """
        try:
            with closing(self._connection.execute(sql, params)) as found:
                names = [column[0] for column in found.description]
                return [dict(zip(names, values, strict=True)) for values in found]
        except sqlite3.Error as error:
            raise Damaged(f"Reading the old database failed ({error}): go on without it.") from error

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def _rows(self, connection: sqlite3.Connection, table: str, order: str) -> Iterator[Row]:
        with closing(connection.execute(f'SELECT * FROM "{table}"{order}')) as found:
            names = [column[0] for column in found.description]
            for values in found:
                yield dict(zip(names, values, strict=True))

    def _backwards(self, table: str) -> Iterator[Row]:
        """Give rows from the end up to the damage; a connection that has met some gives nothing more."""
        columns = self._connection.execute(f'PRAGMA table_info("{table}")').fetchall()
        key = [str(name) for _, name, _, _, _, place in sorted(columns, key=lambda one: one[5]) if place]
        order = ", ".join(f"{name} DESC" for name in key) or "rowid DESC"
        with suppress(sqlite3.Error), closing(_only_read(self._path)) as connection:
            yield from self._rows(connection, table, f" ORDER BY {order}")


def fold_log(path: Path) -> None:
    """Bring a database's log into its file, so that the file alone is all of it.

    Raises
    ------
    Damaged
        It is no database that can be opened; nothing was changed.
    Unavailable
        Somebody else has it open.
    """
    _check_readable(path)  # SQLite throws the log of a file away that is none of its own
    try:
        with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as connection:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise Damaged(
            f"Reading {path.name} failed ({error}): restore it from the backup, or rebuild without it."
        ) from error
    if busy:
        raise Unavailable(f"Reading {path.name} was refused: a process has it open. Stop it, then try again.")


def _check_readable(path: Path) -> None:
    """Look at a database without writing a byte of it, or of its log."""
    try:
        with closing(_only_read(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        raise Damaged(
            f"Reading {path.name} failed ({error}): restore it from the backup, or rebuild without it."
        ) from error


def _only_read(path: Path) -> sqlite3.Connection:
    """Open a file that nobody writes; neither it nor anything beside it is touched."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
