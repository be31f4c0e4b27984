"""Problems between hospitals, shown once: a peer that errs a thousand times is one line to the administrator."""

from __future__ import annotations

from node.database.port import Statement
from node.names import Cause
from node.node import Node


def problem_once(node: Node, kind: str, *, about: str, detail: str, cause: Cause) -> list[Statement]:
    """Give the statements that show a problem, or none while the same kind about the same is unseen."""
    unseen = node.database.read(
        "SELECT 1 AS one FROM problem WHERE kind = ? AND subject = ? AND seen_at IS NULL LIMIT 1",
        (kind, about),
    )
    return [] if unseen else node.problem(kind, about=about, detail=detail, cause=cause)
