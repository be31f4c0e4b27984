"""Sees to it that each study has its copies: archived when quiet, let go online when its time is over.

Reads: the journal from its cursor ``archive``, for studies that completed, changed their tier, or that a consult is asked about; the
list of studies to look at; tickets of recalls; how full the online tier is. Tells: nobody. Writes: that list; jobs that archive, recall
and ask worklists; tickets for earlier studies; rows of studies whose online copy goes; rows of packages that a later one took the
place of; its cursor; and removes those packages. What is decided is `node.archive.lifecycle.decider`'s and
`node.archive.lifecycle.pressure`'s, what is done `node.archive.deciding`'s, `relieving`'s and `tidying`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.base import Failed, Follower
from federation.consult.requests import ConsultRequested
from node.archive.deciding import decide_due, look_again
from node.archive.lifecycle.known import in_part
from node.archive.recall.asking import send_next
from node.archive.recall.priors import recall_priors_of
from node.archive.recall.recalling import close_stale
from node.archive.relieving import Relieving
from node.archive.tidying import Tidying
from node.clock import SECOND
from node.events import StudyArchived, StudyCompleted, StudyExpired, StudyRecalled, decode, event_type
from node.hospital.looking_ahead import LookingAhead
from node.journal.cursors import advance, position
from node.journal.records import Record
from node.names import NodeId, StudyKey, StudyUID, study_of
from node.node import Node

READER = "archive"
RECORDS = 500
UNWRITTEN = 2_000
"""Records that say nothing of copies that the cursor may lag behind what was read."""
_TELLING = frozenset(map(event_type, (StudyCompleted, StudyArchived, StudyExpired, StudyRecalled)))


class Archive(Follower):
    """One per node; two are safe."""

    NAME = "archive"
    POLL_S = 60.0
    SPACING_S = 1.0

    def __init__(self, failed: Failed, node: Node) -> None:
        super().__init__(failed)
        self._node = node
        self._seen = 0
        self._relieving = Relieving(node)
        self._tidying = Tidying(node)
        self._looking_ahead = LookingAhead(node)
        node.archive.clean()
        close_stale(node)

    def step(self) -> float | None:
        """Note studies that changed, then decide about some; give the time until the next one is due."""
        node = self._node
        before = position(node.database, READER)
        self._seen = max(self._seen, before)
        records = node.journal.since(self._seen, limit=RECORDS)
        changed = [study_of(record.subject) for record in records if record.type in _TELLING]
        own: list[StudyKey] = [key for key in changed if key.origin == node.id]
        asked = self._recall_priors(records)
        if records:
            seen = records[-1].seq
            if own or asked or seen - before > UNWRITTEN:
                known = (*look_again(node, own), *(in_part(key) for key in own))
                node.write([*known, advance(READER, before=before, after=seen)])
            self._seen = seen
        send_next(node)
        due = decide_due(node)
        pressed = self._relieving.step()
        self._tidying.step()
        self._looking_ahead.step()
        if records or pressed:
            return 0
        return None if due is None else min(self.POLL_S, max(0.0, (due - node.now()) / SECOND))

    def _recall_priors(self, records: Sequence[Record]) -> bool:
        """Bring back what studies are compared with that a consult was just asked about; say whether there were any."""
        asked = [event for one in records if (event := decode((ConsultRequested,), one.type, one.body))]
        for event in asked:
            key = StudyKey(origin=NodeId(event.origin), study_uid=StudyUID(event.study_uid))
            recall_priors_of(self._node, key)
        return bool(asked)
