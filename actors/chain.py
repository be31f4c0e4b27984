"""Seals the journal into signed blocks, so that a past that somebody rewrites is noticed.

Reads: the journal after the newest block. Tells: nobody. Writes: through
`node.journal.chain`: block files, then their rows, whose newest is the cursor.

What cannot be sealed, because a record is gone or altered, is shown once and
stops nothing but the chain.

Each process that writes events seals what waits as its last act, so that the one that ends last leaves
no tail: a database that is lost while the node is stopped then takes nothing with it.
"""

from __future__ import annotations

import logging
import threading

from actors.base import SOON_S, Failed, Follower
from node.clock import MINUTE, SECOND, Micros
from node.errors import Conflict, Damaged
from node.failpoints import planted
from node.journal.chain import due_at, mend, seal_next
from node.names import Cause
from node.node import Node

MEND_EVERY: Micros = 60 * MINUTE
REST_S = 4.0
"""A stop waits so long for the tail: with all else that ends, less than its parent waits."""
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


def seal_rest(node: Node, *, within_s: float = REST_S) -> bool:
    """Seal what waits before a process ends, due or not; say whether all of it is.

    Raises nothing, and ends in time whatever the disk, the database or another sealer does: a stop is a stop, and what
    is left the next start seals. A thread that hangs is left to its daemon.
    """
    if planted("tail-left"):
        return False
    over, failed = threading.Event(), list[BaseException]()

    def seal() -> None:
        try:
            _seal_to(node, node.journal.head(), over)
        except Exception as error:  # noqa: BLE001  # whatever it is, it may not keep a process from ending
            failed.append(error)

    thread = threading.Thread(target=seal, name="rest", daemon=True)
    thread.start()
    thread.join(within_s)
    over.set()
    if not thread.is_alive() and not failed:
        return True
    why = failed[0] if failed else f"it takes longer than {within_s:g} s"
    _log.warning(
        "sealing the journal before the end was not finished (%s); nothing is lost, the next start seals it",
        why,
    )
    return False


def _seal_to(node: Node, last: int, over: threading.Event) -> None:
    """Seal up to a record: what others append meanwhile is theirs to seal."""
    while not over.is_set():
        try:
            block = seal_next(node, early=True)
        except Conflict:
            continue
        if block is None or block.last_seq >= last:
            return
