"""What a node remembers of its backups, and of trying them out, as rows."""

from __future__ import annotations

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
