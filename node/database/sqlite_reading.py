"""Reading one SQLite file: as many connections as there are reads at once, none of which writes.

For a process that must not need the database: it opens nothing before its first
read, and a file that comes, goes or is restored is met as it is.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from node.database.port import Done, Level, Row, Statement, Value
from node.errors import InvalidRequest, Unavailable

_BUSY_S = 5.0
_THE_DISK = frozenset(
    (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOTADB,
    )
)


class SqliteReader:
    """The reading half of the database port over one file."""

    def __init__(self, path: Path, *, connect: Callable[[], sqlite3.Connection] | None = None) -> None:
        """Begin one; ``connect`` opens the file where it need not be read-only."""
        self._path = path
        self._connect = connect or self._read_only
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def read(self, sql: str, params: Sequence[Value] = (), level: Level = Level.LINEARIZABLE) -> list[Row]:
        """Give rows; on one file every read is linearizable."""
        connection: sqlite3.Connection | None = None
        try:
            connection = self._lend()
            cursor = connection.execute(sql, tuple(params))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
        except sqlite3.Error as error:
            if is_the_disk(error):
                raise Unavailable(f"Reading the database failed ({error}); try again.") from error
            raise InvalidRequest(f"Reading the database was refused: {error}.") from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise InvalidRequest(f"Reading the database was refused: {error}.") from error
        finally:
            if connection is not None:
                self._give_back(connection)

    def write(self, statements: Sequence[Statement], key: str) -> Done:
        """Refuse: this half writes nothing."""
        raise InvalidRequest(
            "Writing to the database was refused: this process only reads it. Write elsewhere."
        )

    def close(self) -> None:
        """Close every connection; who reads afterwards is told so."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()

    def _read_only(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.resolve().as_uri()}?mode=ro",
            uri=True,
            timeout=_BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _lend(self) -> sqlite3.Connection:
        """Lend a connection: bound to no thread, so threads that come and go leave none behind."""
        with self._lock:
            if self._closed:
                raise Unavailable("Reading the database failed: it is closed. Start the node again.")
            if self._idle:
                return self._idle.pop()
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)


def is_the_disk(error: Exception) -> bool:
    """Say whether the store itself failed, not what was asked of it."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _THE_DISK
