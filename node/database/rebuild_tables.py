"""What a rebuild could not know of a study: one migration of `node.database.schema`."""

from __future__ import annotations

REBUILD: tuple[str, ...] = (
    # NULL: all corrections of the study are known. Else the time up to which they are: the journal that the index was
    # written again from ends there, or was altered behind it. 0: none of it was left.
    "ALTER TABLE study ADD COLUMN corrections_until INTEGER",
    "CREATE INDEX study_corrections_until ON study (corrections_until) WHERE corrections_until IS NOT NULL",
)
