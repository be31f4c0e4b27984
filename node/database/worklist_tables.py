"""What other systems say of the days to come: one migration of `node.database.schema`."""

from __future__ import annotations

WORKLIST: tuple[str, ...] = (
    # worklist: whether it is asked who is expected. issuer: of the Patient IDs that it says.
    "ALTER TABLE remote ADD COLUMN worklist INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE remote ADD COLUMN issuer TEXT NOT NULL DEFAULT ''",
    # Local. What a worklist said of a day (ISO 8601), at the last look. state: done, failed. patients: expected; known: of whom
    # studies are held here; studies: asked back for them in all looks of that day. whole: 0 when there were more. unreadable: answers that say nobody. words: why
    # it failed.
    """CREATE TABLE look_ahead (remote TEXT NOT NULL, day TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL,
        patients INTEGER NOT NULL, known INTEGER NOT NULL, studies INTEGER NOT NULL, whole INTEGER NOT NULL, unreadable INTEGER NOT NULL, words TEXT NOT NULL,
        PRIMARY KEY (remote, day)) STRICT, WITHOUT ROWID""",
)
