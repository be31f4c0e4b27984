"""What a node remembers of its backups: two migrations of `node.database.schema`."""

from __future__ import annotations

BACKUP: tuple[str, ...] = (
    # Content. When a backup was last tried out, and what came of it. backup: its manifest's digest. differences: how many
    # instances, rows or files were not what they were; 0 is as it must be.
    """CREATE TABLE drill (at INTEGER PRIMARY KEY, backup TEXT NOT NULL, made_at INTEGER NOT NULL,
        studies INTEGER NOT NULL, instances INTEGER NOT NULL, differences INTEGER NOT NULL,
        seconds REAL NOT NULL) STRICT""",
)

BACKUPS_REMOVED: tuple[str, ...] = (
    # When this node removed a backup from its place; NULL: it is there still, as far as the node knows.
    "ALTER TABLE backup_made ADD COLUMN removed_at INTEGER",
)
