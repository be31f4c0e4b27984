"""Whether an administrator has a problem before her already, so that it is not shown at each look."""

from __future__ import annotations

from node.database.port import Database


def is_shown(database: Database, kind: str, about: str) -> bool:
    """Say whether a problem of this kind about the same waits to be seen."""
    return bool(
        database.read(
            "SELECT 1 AS shown FROM problem WHERE kind = ? AND subject = ? AND seen_at IS NULL LIMIT 1",
            (kind, about),
        )
    )
