"""SQLite behind the database port: WAL, FULL, one writer thread with group commit.

Batches that wait together share one sync: each runs in its own savepoint, so a
batch that fails leaves nothing behind and its neighbours commit. Several
processes may open the same file; a turnstile lets them write by turns.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.clock import SECOND, Clock, Micros
from node.database.port import Done, Level, Row, Statement, Value
from node.database.schema import MIGRATIONS
from node.database.sqlite_reading import SqliteReader, is_the_disk
from node.database.subset import check_key, check_subset
from node.database.turnstile import Turnstile
from node.errors import Conflict, GridError, InvalidRequest, OutcomeUnknown, Unavailable
from node.failpoints import planted

BUSY_TIMEOUT_S = 30
_BUSY_LOOK_S = 0.02
GROUP_LIMIT = 200
KEY_LIFE: Micros = 30 * 24 * 3600 * SECOND
_PRUNE_EVERY: Micros = 3600 * SECOND
_TAKEN = (
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
    sqlite3.SQLITE_CONSTRAINT_CHECK,
)
"""Somebody was first. A NULL, or text in a number's column, is the caller's mistake instead."""
_KEY_CONFLICT = "UNIQUE constraint failed: write_key.key"


@dataclass(frozen=True, slots=True)
class _Batch:
    statements: Sequence[Statement]
    key: str
    outcome: Future[Done]


class SqliteDatabase:
    """One file, one writer thread, as many read connections as there are reads at once."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._reads = SqliteReader(path, connect=self._connect)
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._closed = False
        self._pruned_at: Micros = 0
        # Here and not in the thread: what cannot be opened fails whoever opens it, and keeps nobody waiting.
        writing = self._migrated(), Turnstile(path)
        self._thread = threading.Thread(target=self._run, args=writing, name="sqlite-writer", daemon=True)
        self._thread.start()

    def write(self, statements: Sequence[Statement], key: str) -> Done:
        """Apply all statements or none; see `Database.write`."""
        check_key(key)
        for statement in statements:
            check_subset(statement)
        batch = _Batch(tuple(statements), key, Future())
        with self._lock:
            if self._closed:
                raise Unavailable("Writing to the database failed: it is closed. Start the node again.")
            self._queue.put(batch)
        return batch.outcome.result()

    def read(self, sql: str, params: Sequence[Value] = (), level: Level = Level.LINEARIZABLE) -> list[Row]:
        """Give rows; on one file every read is linearizable."""
        return self._reads.read(sql, params, level)

    def close(self) -> None:
        """Finish what waits, then close every connection."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._reads.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        _turn_on_wal(connection)
        # Else a long batch spills pages of the database to /var/tmp, which may be full, and is not encrypted.
        connection.execute("PRAGMA temp_store = MEMORY")
        # What is erased is overwritten: else it lies in free pages until something else does.
        connection.execute("PRAGMA secure_delete = ON")
        durable = "NORMAL" if planted("no-database-sync") else "FULL"
        connection.execute(f"PRAGMA synchronous = {durable}")
        return connection

    def _migrated(self) -> sqlite3.Connection:
        """Bring the schema up to date; give the connection, which has shown that it writes.

        SQLite opens only to read what the disk does not let it open otherwise, and BEGIN IMMEDIATE lets that pass: it
        must fail here once, not at every write.
        """
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
            connection.execute("DELETE FROM write_key WHERE 0")
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _run(self, connection: sqlite3.Connection, turnstile: Turnstile) -> None:
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
            with turnstile.turn():
                self._commit(connection, group)
            if stop:
                break
        connection.close()
        turnstile.close()

    def _commit(self, connection: sqlite3.Connection, group: list[_Batch]) -> None:
        """Run each batch in its savepoint, commit once, then tell everybody."""
        outcomes: list[Done | GridError] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._forget_keys(connection)
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
        except (sqlite3.Error, Conflict) as error:
            if is_the_disk(error):
                raise  # it ends the whole group, not this batch alone
            # The failed statement alone is undone by itself: without this the rest would commit with the group.
            connection.execute("ROLLBACK TO batch")
            connection.execute("RELEASE batch")
            return _outcome_of(error, statement)
        connection.execute("RELEASE batch")
        return Done()

    def _forget_keys(self, connection: sqlite3.Connection) -> None:
        """Drop keys that are past their life, once an hour, in a group that is written anyway."""
        now = self._clock.now()
        if now - self._pruned_at >= _PRUNE_EVERY:
            connection.execute("DELETE FROM write_key WHERE at < ?", (now - KEY_LIFE,))
            self._pruned_at = now


def _turn_on_wal(connection: sqlite3.Connection) -> None:
    """Keep a log ahead; for that SQLite does not wait while another process makes the file."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_BUSY_LOOK_S)
        else:
            return


def _outcome_of(error: Exception, statement: Statement | None) -> Done | GridError:
    if isinstance(error, Conflict):
        return error
    if _KEY_CONFLICT in str(error):
        return Done(repeated=True)
    if getattr(error, "sqlite_errorcode", 0) in _TAKEN:
        refusal = statement.refusal if statement is not None else None
        return Conflict(refusal or f"Writing was refused ({error}): somebody else was first; read again.")
    return InvalidRequest(f"Writing was refused: {error}.")


@contextmanager
def _quiet() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error:
        return
