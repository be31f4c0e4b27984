"""What a node remembers of its backups, and of trying them out, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.clock import Micros
from node.database.port import Database, Statement, read_as
from node.names import Digest

LISTED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRow:
    """A backup that counts, as the node remembers it."""

    at: Micros
    """Of the rows in it."""
    backup: Digest
    """Of its manifest."""
    place: str
    files: int
    bytes: int
    new_bytes: int
    """That the place did not have before."""
    removed_at: Micros | None = None
    """When this node removed it from its place; None: it is there still, as far as the node knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlace:
    """A place, and what is there of backups that were made in some time."""

    place: str
    there: int
    """How many."""
    last_at: Micros
    removed_at: Micros | None
    """When the last of them was removed; None while one is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRow:
    """A drill as the node remembers it."""

    at: Micros
    backup: Digest
    made_at: Micros
    studies: int
    instances: int
    differences: int
    seconds: float


def remember_backup(made: BackupRow) -> Statement:
    """Give the statement by which a node remembers a backup."""
    return Statement(
        "INSERT INTO backup_made (at, backup, place, files, bytes, new_bytes) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (at) DO NOTHING",
        (made.at, made.backup, made.place, made.files, made.bytes, made.new_bytes),
    )


def remember_removed(backups: Sequence[Digest], *, at: Micros) -> list[Statement]:
    """Give the statements by which a node remembers that backups were removed from their place."""
    return [
        Statement(
            "UPDATE backup_made SET removed_at = ? WHERE backup = ? AND removed_at IS NULL", (at, backup)
        )
        for backup in backups
    ]


def remember_drill(drill: DrillRow) -> Statement:
    """Give the statement by which a node remembers a drill."""
    return Statement(
        "INSERT INTO drill (at, backup, made_at, studies, instances, differences, seconds) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            drill.at,
            drill.backup,
            drill.made_at,
            drill.studies,
            drill.instances,
            drill.differences,
            drill.seconds,
        ),
    )


def last_backup(database: Database) -> BackupRow | None:
    """Give the newest backup; None when none was ever made."""
    rows = list_backups(database, limit=1)
    return rows[0] if rows else None


def places_before(database: Database, *, since: Micros, before: Micros) -> list[BackupPlace]:
    """Give the places of backups that were made in a time; the last of each is the last that is there still."""
    return read_as(
        database,
        BackupPlace,
        "SELECT place, count(*) FILTER (WHERE removed_at IS NULL) AS there,"
        " coalesce(max(at) FILTER (WHERE removed_at IS NULL), max(at)) AS last_at,"
        " CASE WHEN count(*) = count(removed_at) THEN max(removed_at) END AS removed_at"
        " FROM backup_made WHERE at >= ? AND at < ? GROUP BY place ORDER BY place",
        (since, before),
    )


def last_drill(database: Database) -> DrillRow | None:
    """Give the last drill; None when no backup was ever tried out."""
    rows = list_drills(database, limit=1)
    return rows[0] if rows else None


def list_backups(database: Database, *, limit: int = LISTED) -> list[BackupRow]:
    """Give the newest backups."""
    return read_as(database, BackupRow, "SELECT * FROM backup_made ORDER BY at DESC LIMIT ?", (limit,))


def list_drills(database: Database, *, limit: int = LISTED) -> list[DrillRow]:
    """Give the newest drills."""
    return read_as(database, DrillRow, "SELECT * FROM drill ORDER BY at DESC LIMIT ?", (limit,))
