"""Seals the journal into signed blocks, so that a past that somebody rewrites is noticed.

Reads: the journal after the newest block. Tells: nobody. Writes: through
`node.journal.chain`: block files, then their rows, whose newest is the cursor.

What cannot be sealed, because a record is gone or altered, is shown once and
stops nothing but the chain.
"""

from __future__ import annotations

import logging

from actors.base import SOON_S, Failed, Follower
from node.clock import MINUTE, SECOND, Micros
from node.errors import Damaged
from node.journal.chain import due_at, mend, seal_next
from node.names import Cause
from node.node import Node

MEND_EVERY: Micros = 60 * MINUTE
_log = logging.getLogger(__name__)


class Chain(Follower):
    """One per node; two are safe."""

    NAME = "chain"
    POLL_S = 60.0
    SPACING_S = 2.0

    def __init__(self, failed: Failed, node: Node) -> None:
        super().__init__(failed)
        self._node = node
        self._mend_at: Micros = node.now()

    def step(self) -> float | None:
        """Seal one block if it is due; give the time until the next one is."""
        node = self._node
        try:
            if node.now() >= self._mend_at:
                self._mend_at = node.now() + MEND_EVERY
                mend(node)
            if seal_next(node) is not None:
                return 0
        except Damaged as error:
            self._show(str(error))
            return None
        due = due_at(node)
        return None if due is None else min(self.POLL_S, max(SOON_S, (due - node.now()) / SECOND))

    def _show(self, detail: str) -> None:
        """Tell the administrator once."""
        node, about = self._node, f"node/{self._node.id}"
        shown = node.database.read(
            "SELECT 1 AS shown FROM problem WHERE kind = 'journal-damaged' AND subject = ? AND seen_at IS NULL",
            (about,),
        )
        _log.error("%s", detail)
        if not shown:
            cause = Cause(node.new_id())
            node.write(node.problem("journal-damaged", about=about, detail=detail, cause=cause))
