"""What was deleted for good does not come back: the one place of that rule.

An event ``study-deleted/1`` of a study means that what came of it by then is gone, though its bytes may still lie in a
pack that was not unlinked, or in a store that was away. What came later is another matter.
"""

from __future__ import annotations

from node.clock import Micros
from node.database.port import integer, text
from node.names import StudyKey
from node.node import Node

DELETED = "study-deleted/1"


class Deleted:
    """The studies that the journal says were deleted, and when last."""

    def __init__(self, node: Node) -> None:
        rows = node.database.read(
            "SELECT subject, max(at) AS at FROM journal WHERE type = ? GROUP BY subject", (DELETED,)
        )
        self._at: dict[str, Micros] = {text(row, "subject"): integer(row, "at") for row in rows}

    def covers(self, key: StudyKey, at: Micros) -> bool:
        """Say whether what came of a study at a time was deleted with it."""
        return at <= self._at.get(key.subject, -1)
