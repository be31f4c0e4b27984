"""The clocks of consult: what is due happens at its time, and what the journal says is passed on.

Reads: the journal from cursor ``consult``; claims and deadlines by the rows that hold their times.
Tells: nobody; what the other hospital must hear stands in the outbox.
Writes: through `federation.consult`: claims lapsed, deadlines passed, amendments to homes,
pools to newcomers.
"""

from __future__ import annotations

from typing import ClassVar

from actors.base import Failed, Follower
from federation.consult.clocks import lapse_claims, next_due, pass_deadlines
from federation.consult.following import RECORDS, follow_journal
from node.clock import SECOND
from node.node import Node


class Consult(Follower):
    """One per node; two are safe."""

    NAME = "consult"
    SPACING_S: ClassVar[float] = 0.05

    def __init__(self, failed: Failed, node: Node) -> None:
        super().__init__(failed)
        self._node = node
        self._seen = 0
        """How far the journal was read; may be lost."""

    def step(self) -> float | None:
        """Read on, then do what is due; look again when the next is, or sooner at a ring."""
        before, self._seen = self._seen, follow_journal(self._node, self._seen)
        lapse_claims(self._node)
        pass_deadlines(self._node)
        if self._seen - before >= RECORDS:
            return 0
        return self._until_due()

    def _until_due(self) -> float:
        due = next_due(self._node)
        if due is None:
            return self.POLL_S
        return min(self.POLL_S, max((due - self._node.now()) / SECOND, 0.0) + 0.001)
