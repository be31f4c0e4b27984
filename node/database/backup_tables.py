"""What a node remembers of its backups: one migration of `node.database.schema`."""

from __future__ import annotations

BACKUP: tuple[str, ...] = (
    # Content. When a backup was last tried out, and what came of it. backup: its manifest's digest. differences: how many
    # instances, rows or files were not what they were; 0 is as it must be.
    """CREATE TABLE drill (at INTEGER PRIMARY KEY, backup TEXT NOT NULL, made_at INTEGER NOT NULL,
        studies INTEGER NOT NULL, instances INTEGER NOT NULL, differences INTEGER NOT NULL,
        seconds REAL NOT NULL) STRICT""",
)
