"""What no rebuild can write again, copied from an old database row by row: content, and what is wanted of local rows.

Columns that the old one has and this version does not know are left; those that it lacks get what migrations give. So a
database of an earlier version is brought to this one first, on a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from node.clock import Clock
from node.database.port import Row, Statement, text
from node.database.replacing import forget_database
from node.database.salvage import OldDatabase
from node.database.schema import MIGRATIONS
from node.database.snapshot import snapshot_sqlite
from node.database.sqlite import SqliteDatabase
from node.errors import GridError
from node.node import Node
from ops.rebuild.tables import CONTENT, WANTED

BATCH = 500
_SEEN = "UPDATE problem SET seen_at = ? WHERE id = ? AND seen_at IS NULL"


@dataclass(slots=True)
class Copied:
    """What was copied."""

    rows: int = 0
    lost: list[str] = field(default_factory=list)
    """Tables of which rows may be missing."""


def open_old(path: Path, scratch: Path, clock: Clock) -> OldDatabase:
    """Open an old database, brought to this version on a copy where it is of an earlier one.

    Raises
    ------
    Damaged, InvalidRequest, Unavailable
        It cannot be read, or not be brought to this version.
    """
    old = OldDatabase(path)
    if old.version == len(MIGRATIONS):
        return old
    old.close()
    forget_database(scratch)
    snapshot_sqlite(path, scratch)
    SqliteDatabase(scratch, clock).close()
    return OldDatabase(scratch)


def copy_content(node: Node, old: OldDatabase) -> Copied:
    """Copy content, wanted local rows, and texts."""
    copied = Copied()
    for table in sorted(CONTENT | WANTED | {"text"}):
        known = {
            text(row, "name") for row in node.database.read(f"SELECT name FROM pragma_table_info('{table}')")
        }
        for statements in _batches(old, table, known):
            _write(node, statements, copied)
    copied.lost = sorted(set(old.lost) & (CONTENT | WANTED | {"text"}))
    return copied


def copy_announced(node: Node, old: OldDatabase) -> None:
    """Copy peers' studies as they were announced; instances that are here count for themselves.

    For these words there is no other source: peers announce a study once.
    """
    from dataclasses import fields

    from node.catalogue.search import SeriesRow, StudyRow
    from node.catalogue.statements import write_series
    from node.catalogue.written import write_study
    from node.database.port import convert_row

    names = {one.name for one in fields(StudyRow)}
    with suppress(GridError):
        for row in old.read("SELECT * FROM study WHERE origin <> ? AND source_digest = ''", (node.id,)):
            study = convert_row({name: value for name, value in row.items() if name in names}, StudyRow)
            held = old.read(
                "SELECT * FROM series WHERE origin = ? AND study_uid = ?", (study.origin, study.study_uid)
            )
            series = [convert_row(one, SeriesRow) for one in held]
            statements = [*write_study(study, before=None), *(write_series(one) for one in series)]
            node.database.write(statements, node.new_id())


def copy_seen(node: Node, old: OldDatabase) -> None:
    """Take over which problems an administrator has seen, and those that no event tells of."""
    for row in old.rows("problem"):
        statements = [
            Statement(
                "INSERT INTO problem (id, kind, subject, detail, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                tuple(row[name] for name in ("id", "kind", "subject", "detail", "at")),
            )
        ]
        if row["seen_at"] is not None:
            statements.append(Statement(_SEEN, (row["seen_at"], row["id"])))
        node.database.write(statements, node.new_id())


def _batches(old: OldDatabase, table: str, known: set[str]) -> Iterator[list[Statement]]:
    batch: list[Statement] = []
    for row in old.rows(table):
        if table == "cursor" and text(row, "reader").startswith("index/"):
            continue
        batch.append(_insert(table, {name: value for name, value in row.items() if name in known}))
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _insert(table: str, row: Row) -> Statement:
    return Statement(
        f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
        tuple(row.values()),
    )


def _write(node: Node, statements: list[Statement], copied: Copied) -> None:
    """Write a batch; where one row is refused, the others are written one by one, so that it costs no other."""
    try:
        node.database.write(statements, node.new_id())
        copied.rows += len(statements)
    except GridError:
        for statement in statements:
            with suppress(GridError):
                node.database.write([statement], node.new_id())
                copied.rows += 1
