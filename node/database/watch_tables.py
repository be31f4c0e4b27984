"""What a node watches of itself: one migration of `node.database.schema`."""

from __future__ import annotations

WATCH: tuple[str, ...] = (
    # Content. How much lay where at the last look of each day (UTC, counted from 1970). place: online, archive (one copy
    # of each package), store/NAME (verified copies). room_bytes: free there; NULL where that is not known.
    """CREATE TABLE tier_size (day INTEGER NOT NULL, place TEXT NOT NULL, studies INTEGER NOT NULL,
        bytes INTEGER NOT NULL, room_bytes INTEGER, at INTEGER NOT NULL,
        PRIMARY KEY (day, place)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX tier_size_place ON tier_size (place, day)",
    # Local. The newest forecast. days: JSON list of [at, online bytes, archive bytes]. rules: their version.
    """CREATE TABLE tier_forecast (made_at INTEGER PRIMARY KEY, rules INTEGER NOT NULL, studies INTEGER NOT NULL,
        arriving_bytes INTEGER NOT NULL, days TEXT NOT NULL) STRICT""",
    # Content. Backups that count, as this node made them. place: as it was named. new_bytes: what the place had not before.
    """CREATE TABLE backup_made (at INTEGER PRIMARY KEY, backup TEXT NOT NULL, place TEXT NOT NULL,
        files INTEGER NOT NULL, bytes INTEGER NOT NULL, new_bytes INTEGER NOT NULL) STRICT""",
    # What earlier versions wrote of a hold cannot be read; those studies are decided about again.
    "UPDATE lifecycle SET next_at = decided_at WHERE reason = 'held'",
    # Local. Alarms that stand. problem: the one that shows it. figures: JSON, whole numbers by name.
    """CREATE TABLE alarm (kind TEXT NOT NULL, subject TEXT NOT NULL, raised_at INTEGER NOT NULL,
        problem TEXT NOT NULL, figures TEXT NOT NULL, PRIMARY KEY (kind, subject)) STRICT, WITHOUT ROWID""",
)
