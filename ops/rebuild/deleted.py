"""What was deleted for good does not come back: the one place of that rule.

An event ``study-deleted/1`` of a study means that what came of it by then is gone, though its bytes may still lie in a
pack that was not unlinked, or in a store that was away. What came later is another matter.
"""

from __future__ import annotations

from node.clock import Micros
from node.database.port import Statement, integer, text
from node.names import StudyKey, Subject, study_of
from node.node import Node

DELETED = "study-deleted/1"
_BATCH = 500


class Deleted:
    """The studies that the journal says were deleted, and when last."""

    def __init__(self, node: Node) -> None:
        rows = node.database.read(
            "SELECT subject, max(at) AS at FROM journal WHERE type = ? GROUP BY subject", (DELETED,)
        )
        self._at: dict[Subject, Micros] = {Subject(text(row, "subject")): integer(row, "at") for row in rows}

    def forget_facts(self, node: Node) -> None:
        """Take away facts of studies that were deleted after them, and of patients of whom no study speaks any more."""
        if not self._at:
            return
        statements = [
            Statement(
                "DELETE FROM correction WHERE origin = ? AND study_uid = ? AND at <= ?",
                (study_of(subject).origin, study_of(subject).study_uid, at),
            )
            for subject, at in self._at.items()
        ]
        statements.append(
            Statement(
                "DELETE FROM correction WHERE study_uid = '' AND NOT EXISTS (SELECT 1 FROM study_identity AS mine"
                " WHERE mine.origin = correction.origin AND mine.patient_issuer = correction.patient_issuer"
                " AND mine.patient_id = correction.patient_id)"
            )
        )
        for batch in range(0, len(statements), _BATCH):
            node.database.write(statements[batch : batch + _BATCH], node.new_id())

    def covers(self, key: StudyKey, at: Micros) -> bool:
        """Say whether what came of a study at a time was deleted with it."""
        return at <= self._at.get(key.subject, -1)
