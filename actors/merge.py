"""Merges the packs of studies that came in many small ones, once they are complete.

Reads: the journal from its cursor ``merge``, for studies that completed; their rows;
packs whose time has come. Tells: nobody. Writes: merged packs; rows that follow
into them, one batch a merge; its cursor; and unlinks old packs when they are due.

One merge a step, so that nobody waits long for a database or a disk. Whoever
writes a row or more of the study meanwhile is first: the merge is dropped, and
the study is looked at again at once, or when it completes again.
"""

from __future__ import annotations

import logging

from actors.base import Failed, Follower
from node.catalogue.crowding import choose, find_small
from node.catalogue.moving import merge_packs, retire_packs, settle_merges
from node.catalogue.search import peek_study
from node.clock import SECOND
from node.errors import Damaged
from node.events import StudyCompleted, event_type
from node.journal.cursors import advance, position
from node.journal.records import Record
from node.names import Cause, StudyKey, study_of
from node.node import Node

READER = "merge"
RECORDS = 500
UNWRITTEN = 2_000
"""Records that are no completion that the cursor may lag behind what was read."""
_COMPLETED = event_type(StudyCompleted)
_log = logging.getLogger(__name__)


class Merge(Follower):
    """One per node; two are safe."""

    NAME = "merge"
    POLL_S = 60.0
    SPACING_S = 0.5

    def __init__(self, failed: Failed, node: Node) -> None:
        super().__init__(failed)
        self._node = node
        self._seen = 0
        self._left: set[str] = set()
        """Packs of the study at hand that cannot be merged."""

    def step(self) -> float | None:
        """Unlink what is due, then do one merge; give the time until the next pack is due."""
        node = self._node
        settle_merges(node)
        due = retire_packs(node)
        before = position(node.database, READER)
        self._seen = max(self._seen, before)
        records = node.journal.since(self._seen, limit=RECORDS)
        for record in records:
            if record.type == _COMPLETED:
                if not self._merge_one(study_of(record.subject), record):
                    node.write([advance(READER, before=before, after=record.seq)])
                    self._seen, self._left = record.seq, set()
                return 0
        if records:
            self._seen = records[-1].seq
            if self._seen - before > UNWRITTEN:
                node.write([advance(READER, before=before, after=self._seen)])
            return 0
        return None if due is None else min(self.POLL_S, max(0.0, (due - node.now()) / SECOND))

    def _merge_one(self, key: StudyKey, record: Record) -> bool:
        """Merge once; say whether the study may need it again."""
        study = peek_study(self._node.database, key)
        if study is None or study.state != "complete":
            return False  # it will complete again
        packs = choose(find_small(self._node, key, leave=self._left))
        if not packs:
            return False
        merged = merge_packs(self._node, key, packs)
        for pack, error in merged.left.items():
            self._left.add(pack)
            _log.warning("pack %s is not merged: %s", pack, error)
            if isinstance(error, Damaged):
                self._show(pack, str(error), record.cause)
        return True

    def _show(self, pack: str, detail: str, cause: Cause) -> None:
        """Tell the administrator once."""
        node, about = self._node, f"pack/{pack}"
        shown = node.database.read(
            "SELECT 1 AS shown FROM problem WHERE kind = 'damaged-pack' AND subject = ? AND seen_at IS NULL",
            (about,),
        )
        if not shown:
            node.write(node.problem("damaged-pack", about=about, detail=detail, cause=cause))
