"""What each message type does here: the one table, in plain sight.

A message that is not in it is set aside and shown, so an older node loses nothing of a newer one's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol

from federation.arrivals import (
    apply_part_offered,
    apply_part_wanted,
    apply_study_announced,
    apply_study_completed_there,
)
from federation.consult.applying import (
    apply_case_amended,
    apply_case_cancel_requested,
    apply_case_facts,
    apply_case_requested,
    apply_pools_published,
)
from federation.consult.messages import (
    CaseAmended,
    CaseCancelRequested,
    CaseFacts,
    CaseRequested,
    PoolsPublished,
)
from federation.correction_arrivals import apply_study_corrected_there
from federation.deletion_arrivals import apply_study_deleted_there, apply_study_deletion_answered
from federation.messages import (
    M,
    PartOffered,
    PartWanted,
    Receipt,
    Received,
    StudyAnnounced,
    StudyCompletedThere,
    StudyCorrectedThere,
    StudyDeletedThere,
    StudyDeletionAnswered,
    decode_message,
    message_type,
)
from federation.receipts import apply_receipt
from federation.roster_news import RosterPublished, apply_roster
from node.database.port import Statement
from node.node import Node


class Applier(Protocol):
    """What `federation.inbox` asks of an entry."""

    @property
    def type(self) -> str:
        """The message's stable name."""

    def statements(self, node: Node, received: Received, body: str) -> list[Statement]:
        """Give what the message asks for, to stand in one batch with its sender's cursor.

        Raises
        ------
        Refused, InvalidRequest, NotFound, Damaged
            The sender may not say this; it is shown and counts as done.
        Conflict, Unavailable
            Not now; it is tried again.
        """


Appliers = Mapping[str, Applier]


@dataclass(frozen=True, slots=True)
class Entry(Generic[M]):
    """One line of the table: a message class, and the function that takes it."""

    message: type[M]
    apply: Callable[[Node, Received, M], list[Statement]]

    @property
    def type(self) -> str:
        return message_type(self.message)

    def statements(self, node: Node, received: Received, body: str) -> list[Statement]:
        return self.apply(node, received, decode_message(self.message, body))


_TABLE: tuple[Applier, ...] = (
    Entry(Receipt, apply_receipt),
    Entry(RosterPublished, apply_roster),
    Entry(StudyAnnounced, apply_study_announced),
    Entry(PartOffered, apply_part_offered),
    Entry(PartWanted, apply_part_wanted),
    Entry(StudyCompletedThere, apply_study_completed_there),
    Entry(StudyCorrectedThere, apply_study_corrected_there),
    Entry(StudyDeletedThere, apply_study_deleted_there),
    Entry(StudyDeletionAnswered, apply_study_deletion_answered),
    Entry(PoolsPublished, apply_pools_published),
    Entry(CaseRequested, apply_case_requested),
    Entry(CaseCancelRequested, apply_case_cancel_requested),
    Entry(CaseAmended, apply_case_amended),
    Entry(CaseFacts, apply_case_facts),
)
APPLIERS: Appliers = {entry.type: entry for entry in _TABLE}
