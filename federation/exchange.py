"""One turn of each thing that moves between hospitals, for whoever drives it: actors in service, a loop in tests.

Every function does what is due now and returns; nothing here waits, retries or
starts a thread. What fails with `Unavailable` is whole and may be turned again.
"""

from __future__ import annotations

from collections.abc import Sequence

from federation import blobs
from federation.carrying import sealed_parts, upload
from federation.current_roster import Rosters
from federation.deletion_arrivals import delete_released
from federation.deletions import forget_mail, tell_deletions
from federation.fetching import check_completed, fetch, offered_parts, release_applied
from federation.inbox import forget_set_aside, take
from federation.links import forget_connections
from federation.outbox import deposit_sealed, forget_received, seal_waiting
from federation.receipts import seal_receipt
from federation.roster import Roster
from federation.sealing import next_due, seal_due, try_held_back_again
from federation.sharing import Follower, announce, follow_journal
from federation.transport.port import Delivery, MailboxLink
from node.clock import SECOND, Micros
from node.database.port import integer
from node.errors import Conflict
from node.names import NodeId
from node.node import Node

RETENTION: Micros = 30 * 24 * 3600 * SECOND
"""How long acknowledged messages are kept, for a peer that is restored from a backup and asks again."""


def has_news(node: Node, follower: Follower) -> bool:
    """Say in one read whether `prepare` or `deliver` could have anything to do for a peer."""
    peer = follower.peer
    (row,) = node.database.read(
        "SELECT (SELECT max(seq) FROM journal) AS head,"
        " EXISTS (SELECT 1 FROM outbox WHERE peer = ? AND state IN ('waiting', 'sealed')) AS unsent,"
        " EXISTS (SELECT 1 FROM decision WHERE peer = ? AND pending > 0) AS pending,"
        " EXISTS (SELECT 1 FROM incoming WHERE peer = ? AND (n <> receipt_n OR again = 1)) AS receipt,"
        " EXISTS (SELECT 1 FROM deletion_peer WHERE peer = ? AND state = 'due') OR EXISTS (SELECT 1 FROM deletion"
        " WHERE by_peer = ? AND by_peer <> '' AND answered = 0 AND state IN ('done', 'kept')) AS gone",
        (peer, peer, peer, peer, peer),
    )
    return integer(row, "head") != follower.seen or bool(
        row["unsent"] or row["pending"] or row["receipt"] or row["gone"]
    )


def prepare(node: Node, roster: Roster, follower: Follower) -> Micros | None:
    """Decide, announce and seal what is due to one peer, reachable or not.

    Gives when to look again; None at the next bell.
    """
    peer = follower.peer
    try:
        while follow_journal(node, roster, follower):
            continue
    except Conflict:
        follower.seen = 0  # another process follows for the same peer; read on from where it is
    again = announce(node, peer)
    tell_deletions(node, peer)
    while seal_waiting(node, roster.entry(peer)):
        continue
    return again


def deliver(node: Node, roster: Roster, peer: NodeId, link: MailboxLink) -> None:
    """Deposit what is sealed for one peer, and the receipt it is owed.

    Raises
    ------
    GridError
        As the link says. What is sealed stays, and is deposited at the next turn.
    """
    receipt = seal_receipt(node, roster.entry(peer))
    if receipt is not None:
        link.deposit([receipt.envelope])
        node.write([receipt.told])
    while deposit_sealed(node, peer, link):
        continue


def carry(node: Node, roster: Roster, peer: NodeId, link: MailboxLink) -> Micros | None:
    """Make, upload and offer the parts that are due to one peer; gives when the next one is."""
    host = roster.entry(peer).mailbox_host
    while True:
        for part in sealed_parts(node, peer):
            upload(node, peer, part, host=host, link=link)
        if not seal_due(node, peer):
            return next_due(node, peer)


def carry_due(node: Node, peer: NodeId) -> Micros | None:
    """Give when `carry` has something to do for a peer; None when there is nothing."""
    return node.now() if sealed_parts(node, peer) else next_due(node, peer)


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
    """Forget what was acknowledged long ago, and what nothing keeps any more. Once in a while is enough."""
    before = node.now() - RETENTION
    node.write([forget_received(before=before), forget_set_aside(before=before)])
    blobs.expire(node, before=before)
    forget_mail(node)
    delete_released(node)


def start_clean(node: Node) -> int:
    """Remove what a crash left between a file and its row; before anything else turns. Gives how many."""
    try_held_back_again(node)
    forget_connections(node)
    return blobs.sweep(node)
