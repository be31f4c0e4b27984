"""One turn of each thing that moves between hospitals, for whoever drives it: actors in service, a loop in tests.

Every function does what is due now and returns; nothing here waits, retries or
starts a thread. What fails with `Unavailable` is whole and may be turned again.
"""

from __future__ import annotations

from collections.abc import Sequence

from federation import blobs
from federation.carrying import next_due, seal_due, sealed_parts, try_held_back_again, upload
from federation.current_roster import Rosters
from federation.fetching import check_completed, fetch, offered_parts, release_applied
from federation.inbox import ask_for_missing, take
from federation.outbox import deposit_sealed, forget_received, repeat_overdue, seal_waiting
from federation.receipts import seal_receipt
from federation.roster import Roster
from federation.sharing import Follower, announce, follow_journal
from federation.transport.port import Delivery, MailboxLink
from node.clock import SECOND, Micros
from node.errors import Conflict
from node.names import NodeId
from node.node import Node

RETENTION: Micros = 30 * 24 * 3600 * SECOND
"""How long acknowledged messages are kept, for a peer that is restored from a backup and asks again."""


def tell(node: Node, roster: Roster, follower: Follower, link: MailboxLink) -> Micros | None:
    """Decide, announce, seal and deposit what is due to one peer; gives when to look again, None at the next bell.

    Raises
    ------
    GridError
        As the link says. What was decided and sealed stays, and is deposited at the next turn.
    """
    peer = follower.peer
    try:
        while follow_journal(node, roster, follower):
            continue
    except Conflict:
        follower.seen = 0  # another process follows for the same peer; read on from where it is
    again = announce(node, peer)
    repeat_overdue(node, peer)
    recipient = roster.entry(peer)
    while seal_waiting(node, recipient):
        continue
    receipt = seal_receipt(node, recipient)
    if receipt is not None:
        link.deposit([receipt.envelope])
        node.write([receipt.told])
    while deposit_sealed(node, peer, link):
        continue
    return again


def carry(node: Node, roster: Roster, peer: NodeId, link: MailboxLink) -> Micros | None:
    """Make, upload and offer the parts that are due to one peer; gives when the next one is."""
    host = roster.entry(peer).mailbox_host
    while True:
        for part in sealed_parts(node, peer):
            upload(node, peer, part, host=host, link=link)
        if not seal_due(node, peer):
            return next_due(node, peer)


def take_mail(node: Node, rosters: Rosters, deliveries: Sequence[Delivery], link: MailboxLink) -> None:
    """Apply collected mail in order; the host forgets each envelope once its outcome is durable here."""
    done: list[int] = []
    try:
        for delivery in deliveries:
            take(node, rosters(), delivery)
            done.append(delivery.arrival)
    finally:
        if done:
            link.acknowledge(done)


def bring_in(node: Node, host: NodeId, link: MailboxLink) -> int:
    """Fetch offered parts and look whether studies are whole now; gives how many parts came."""
    count = 0
    while parts := offered_parts(node):
        came = [fetch(node, part, host=host, link=link) for part in parts]
        count += sum(came)
    release_applied(node, link)
    check_completed(node)
    return count


def tidy(node: Node) -> None:
    """Ask for what is missing; forget what was acknowledged long ago. Once in a while is enough."""
    ask_for_missing(node)
    before = node.now() - RETENTION
    node.write([forget_received(before=before)])
    blobs.expire(node, before=before)


def start_clean(node: Node) -> int:
    """Remove what a crash left between a file and its row; before anything else turns. Gives how many."""
    try_held_back_again(node)
    return blobs.sweep(node)
