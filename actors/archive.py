"""Sees to it that each study has its copies: archived when quiet, let go online when its time is over.

Reads: the journal from its cursor ``archive``, for studies that completed or changed their tier; the list of studies to look at;
how full the online tier is. Tells: nobody. Writes: that list; jobs that archive; rows of studies whose online copy goes; rows of
packages that a later one took the place of; its cursor; and removes those packages. What is decided is `node.archive.lifecycle`'s and
`node.archive.pressure`'s, what is done `node.archive.deciding`'s, `relieving`'s and `tidying`'s.
"""

from __future__ import annotations

from actors.base import Failed, Follower
from node.archive.deciding import decide_due, look_again
from node.archive.recalling import close_stale
from node.archive.relieving import Relieving
from node.archive.tidying import Tidying
from node.clock import SECOND
from node.events import StudyArchived, StudyCompleted, StudyExpired, StudyRecalled, event_type
from node.journal.cursors import advance, position
from node.names import StudyKey, study_of
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
        if records:
            seen = records[-1].seq
            if own or seen - before > UNWRITTEN:
                node.write([*look_again(node, own), advance(READER, before=before, after=seen)])
            self._seen = seen
        due = decide_due(node)
        pressed = self._relieving.step()
        self._tidying.step()
        if records or pressed:
            return 0
        return None if due is None else min(self.POLL_S, max(0.0, (due - node.now()) / SECOND))
