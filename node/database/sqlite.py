"""SQLite behind the database port: WAL, FULL, one writer thread with group commit.

Batches that wait together share one sync: each runs in its own savepoint, so a
batch that fails leaves nothing behind and its neighbours commit. Several
processes may open the same file; SQLite's own lock orders their groups.
"""

from __future__ import annotations

import math
import queue
import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.clock import Clock
from node.database.port import Done, Level, Row, Statement, Value
from node.database.schema import MIGRATIONS
from node.errors import Conflict, GridError, InvalidRequest, OutcomeUnknown, Unavailable

BUSY_TIMEOUT_S = 30
GROUP_LIMIT = 200
_KEY_CONFLICT = "UNIQUE constraint failed: write_key.key"
_FORBIDDEN = re.compile(
    r"\s*(BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|PRAGMA|ATTACH|DETACH|VACUUM)\b", re.IGNORECASE
)
_CLOCK_IN_SQL = re.compile(r"\b(CURRENT_TIMESTAMP|CURRENT_DATE|CURRENT_TIME|random)\b|'now'", re.IGNORECASE)
_BLOB_LITERAL = re.compile(r"\s*x'([0-9a-f]{2})*'\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Batch:
    statements: Sequence[Statement]
    key: str
    outcome: Future[Done]


class SqliteDatabase:
    """One file, one writer thread, one read connection per reading thread."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._closed = False
        self._migrate()
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def write(self, statements: Sequence[Statement], key: str) -> Done:
        """Apply all statements or none; see `Database.write`."""
        for statement in statements:
            check_subset(statement)
        if self._closed:
            raise Unavailable("Writing to the database failed: it is closed. Start the node again.")
        batch = _Batch(tuple(statements), key, Future())
        self._queue.put(batch)
        return batch.outcome.result()

    def read(self, sql: str, params: Sequence[Value] = (), level: Level = Level.LINEARIZABLE) -> list[Row]:
        """Give rows; on one file every read is linearizable."""
        try:
            cursor = self._reader().execute(sql, tuple(params))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "disk" in str(error):
                raise Unavailable(f"Reading the database failed ({error}); try again.") from error
            raise InvalidRequest(f"Reading the database was refused: {error}.") from error
        except sqlite3.ProgrammingError as error:
            raise InvalidRequest(f"Reading the database was refused: {error}.") from error

    def close(self) -> None:
        """Finish what waits, then close every connection."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        with self._readers_lock:
            for reader in self._readers:
                reader.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _reader(self) -> sqlite3.Connection:
        reader: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if reader is None:
            reader = self._connect()
            reader.execute("PRAGMA query_only = ON")
            self._local.connection = reader
            with self._readers_lock:
                self._readers.append(reader)
        return reader

    def _migrate(self) -> None:
        connection = self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(MIGRATIONS):
                raise InvalidRequest(
                    f"Opening {self._path.name} was refused: it was written by a newer version"
                    f" (schema {version}, this one knows {len(MIGRATIONS)}). Install that version."
                )
            for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
                for sql in migration:
                    connection.execute(sql)
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        finally:
            connection.close()

    def _run(self) -> None:
        connection = self._connect()
        while (first := self._queue.get()) is not None:
            group = [first]
            stop = False
            while len(group) < GROUP_LIMIT:
                try:
                    batch = self._queue.get_nowait()
                except queue.Empty:
                    break
                if batch is None:
                    stop = True
                    break
                group.append(batch)
            self._commit(connection, group)
            if stop:
                break
        connection.close()

    def _commit(self, connection: sqlite3.Connection, group: list[_Batch]) -> None:
        """Run each batch in its savepoint, commit once, then tell everybody."""
        outcomes: list[Done | GridError] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._apply(connection, batch) for batch in group]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with _quiet():
                connection.execute("ROLLBACK")
            unknown = OutcomeUnknown(
                f"Writing to the database failed ({error}): send the same batch again under its key."
            )
            outcomes = [unknown] * len(group)
        for batch, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Done):
                batch.outcome.set_result(outcome)
            else:
                batch.outcome.set_exception(outcome)

    def _apply(self, connection: sqlite3.Connection, batch: _Batch) -> Done | GridError:
        statement: Statement | None = None
        connection.execute("SAVEPOINT batch")
        try:
            connection.execute("INSERT INTO write_key VALUES (?, ?)", (batch.key, self._clock.now()))
            for statement in batch.statements:
                changed = connection.execute(statement.sql, statement.params).rowcount
                if statement.expect is not None and changed != statement.expect:
                    raise Conflict(
                        statement.refusal
                        or f"Writing was refused: expected to change {statement.expect} rows, found"
                        f" {changed}. Somebody else was first; read again."
                    )
            connection.execute("RELEASE batch")
            return Done()
        except (
            sqlite3.IntegrityError,
            sqlite3.ProgrammingError,
            sqlite3.OperationalError,
            Conflict,
        ) as error:
            if isinstance(error, sqlite3.OperationalError) and _is_the_disk(error):
                raise  # it ends the whole group, not this batch alone
            connection.execute("ROLLBACK TO batch")
            connection.execute("RELEASE batch")
            return _outcome_of(error, statement)


def check_subset(statement: Statement) -> None:
    """Refuse what a replicated store would not do the same way.

    Raises
    ------
    InvalidRequest
        Transaction words, several statements, clocks or chance in SQL, text that reads as a blob.
    """
    if _FORBIDDEN.match(statement.sql) or _CLOCK_IN_SQL.search(statement.sql):
        raise InvalidRequest(
            f"Writing {statement.sql[:60]!r} was refused: not of the SQL subset of both stores."
        )
    if ";" in statement.sql:
        raise InvalidRequest(f"Writing {statement.sql[:60]!r} was refused: one statement per string.")
    for value in statement.params:
        if isinstance(value, bytes) or (isinstance(value, str) and _BLOB_LITERAL.fullmatch(value)):
            raise InvalidRequest("Writing a value of the form x'..' was refused: pass it inside JSON.")
        if isinstance(value, float) and (not math.isfinite(value)):
            raise InvalidRequest("Writing an infinite number was refused: store NULL instead.")


def _is_the_disk(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY)


def _outcome_of(error: Exception, statement: Statement | None) -> Done | GridError:
    if isinstance(error, Conflict):
        return error
    if _KEY_CONFLICT in str(error):
        return Done(repeated=True)
    if isinstance(error, sqlite3.IntegrityError):
        refusal = statement.refusal if statement is not None else None
        return Conflict(refusal or f"Writing was refused ({error}): somebody else was first; read again.")
    return InvalidRequest(f"Writing was refused: {error}.")


@contextmanager
def _quiet() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error:
        return
