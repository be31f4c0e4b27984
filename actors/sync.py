"""Keeps one peer told: of studies as the policy says, and of whatever commands put into the outbox.

Reads: the journal from cursor ``sync/PEER``; decisions, outbox, parts of its peer.
Tells: nobody; a thread of `Carriers` while there are images to carry.
Writes: through `federation.exchange`; the peer's link row.

Deciding and sealing go on while the host of the peer's mailbox is away; what is
sealed is deposited when it answers again, without a person. Images are carried
beside, so that a report is not kept waiting by them.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar

from actors.base import Failed, Follower
from actors.reach import Reach
from federation.current_roster import Rosters
from federation.exchange import carry, carry_due, deliver, has_news, prepare
from federation.links import AWAY, CONNECTED, DOWN, UNACKNOWLEDGED, link_of, show_link, show_reached
from federation.outbox import OVERDUE, repeat_overdue, unacknowledged
from federation.roster import Roster, RosterEntry
from federation.sharing import Follower as JournalFollower
from federation.transport.port import Transport
from node.clock import SECOND, Micros
from node.errors import Conflict, GridError
from node.names import NodeId
from node.node import Node

CARRIERS = 3
OVERDUE_LOOK: Micros = OVERDUE // 4
_log = logging.getLogger(__name__)


class Carriers:
    """A few threads that seal and upload images, shared by all peers; each peer has one at a time."""

    def __init__(self, workers: int = CARRIERS) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="carrier")

    def start(self, node: Node, roster: Roster, peer: NodeId, transport: Transport) -> Future[Micros | None]:
        """Carry what is due to a peer; a ring of the bell says when it is done."""

        def run() -> Micros | None:
            try:
                return carry(node, roster, peer, transport.link(roster.entry(peer).mailbox_host))
            finally:
                node.bell.ring()

        return self._pool.submit(run)

    def close(self) -> None:
        """Let what runs end; take nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Sync(Follower):
    """One per peer; two are safe, and send nothing twice."""

    NAME = "sync"
    SPACING_S: ClassVar[float] = 0.05

    def __init__(
        self,
        failed: Failed,
        node: Node,
        peer: NodeId,
        *,
        rosters: Rosters,
        transport: Transport,
        reach: Reach,
        carriers: Carriers,
    ) -> None:
        super().__init__(failed, name=f"{self.NAME}/{peer}")
        self._node = node
        self._peer = peer
        self._rosters = rosters
        self._transport = transport
        self._reach = reach
        self._carriers = carriers
        self._follower = JournalFollower(peer)
        self._carrying: Future[Micros | None] | None = None
        self._looked_for_overdue: Micros = 0

    def step(self) -> float | None:
        """Do all that is due to the peer; look again when more is, or when its host may be tried again."""
        roster = self._rosters()
        entry = roster.peek(self._peer)
        if entry is None or entry.revoked:
            return None
        self._look_for_overdue()
        news = has_news(self._node, self._follower)
        again = prepare(self._node, roster, self._follower) if news else None
        if wait := self._reach.wait_s(entry.mailbox_host):
            return wait
        try:
            if news:
                self._deliver(roster, entry)
            carrying = self._carry(roster)
        except Conflict:
            raise
        except GridError as error:
            return self._not_now(entry, error)
        due = [at for at in (again, carrying) if at is not None]
        return max(0.0, (min(due) - self._node.now()) / SECOND) if due else None

    def _deliver(self, roster: Roster, entry: RosterEntry) -> None:
        link = self._transport.link(entry.mailbox_host)
        deliver(self._node, roster, self._peer, link)
        if entry.mailbox_host != self._node.id:
            self._reach.reached(entry.mailbox_host)
            show_reached(self._node, self._peer)

    def _carry(self, roster: Roster) -> Micros | None:
        """Start carrying when something is due; give when the next is, None while it goes on or nothing is."""
        if self._carrying is not None:
            if not self._carrying.done():
                return None
            done, self._carrying = self._carrying, None
            done.result()
        at = carry_due(self._node, self._peer)
        if at is None or at > self._node.now():
            return at
        self._carrying = self._carriers.start(self._node, roster, self._peer, self._transport)
        return None

    def _not_now(self, entry: RosterEntry, error: GridError) -> float:
        """Show what went wrong and when it is tried again; nothing is lost by waiting."""
        _log.info("sending to %s waits: %s", self._peer, error)
        wait = self._reach.failed(entry.mailbox_host)
        next_try = self._node.now() + int(wait * SECOND)
        show_link(self._node, self._peer, DOWN, error=error.message, next_try=next_try)
        return wait

    def _look_for_overdue(self) -> None:
        """Show mail that the peer does not acknowledge, and leave it at its host again."""
        now = self._node.now()
        if now - self._looked_for_overdue < OVERDUE_LOOK:
            return
        self._looked_for_overdue = now
        repeat_overdue(self._node, self._peer)
        oldest = unacknowledged(self._node, [self._peer]).get(self._peer)
        link = link_of(self._node.database, self._peer)
        if oldest is not None and (link is None or link.state not in (AWAY, DOWN)):
            error = (
                f"Mail was left for {self._peer} and is not acknowledged. It is left there again; if this stays, ask"
                f" whether {self._peer} runs, and whether its mailbox's host keeps what it is given."
            )
            show_link(self._node, self._peer, UNACKNOWLEDGED, error=error)
        elif oldest is None and link is not None and link.state == UNACKNOWLEDGED:
            show_link(self._node, self._peer, CONNECTED)
