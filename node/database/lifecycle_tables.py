"""What the lifecycle of copies keeps of its own doing: one migration of `node.database.schema`. All of it is local."""

from __future__ import annotations

LIFECYCLE: tuple[str, ...] = (
    # Why what was decided could not be done, in the error's words, and how often in a row.
    "ALTER TABLE lifecycle ADD COLUMN words TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE lifecycle ADD COLUMN failures INTEGER NOT NULL DEFAULT 0",
    # One row: the last time that the online tier was too large, and what came of it. barred: JSON, a list of
    # {why, studies, bytes}. ended_at: since when there is room again.
    """CREATE TABLE pressure (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL, online_bytes INTEGER NOT NULL,
        wanted_bytes INTEGER NOT NULL, freed_bytes INTEGER NOT NULL, short_bytes INTEGER NOT NULL,
        barred TEXT NOT NULL, ended_at INTEGER) STRICT""",
    # Packages in stores that no row means, and since when that is known.
    """CREATE TABLE orphan_package (store TEXT NOT NULL, stored TEXT NOT NULL, seen_at INTEGER NOT NULL,
        PRIMARY KEY (store, stored)) STRICT, WITHOUT ROWID""",
    # series_uid: of a recall of one series; empty: of all. asker: who it is for, by id, so that all have their turn.
    # sent_at: when it was handed to a worker.
    "ALTER TABLE recall ADD COLUMN series_uid TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE recall ADD COLUMN asker TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE recall ADD COLUMN sent_at INTEGER",
    "CREATE INDEX recall_asker ON recall (asker, sent_at)",
    "CREATE INDEX recall_sent ON recall (sent_at) WHERE sent_at IS NOT NULL",
)
