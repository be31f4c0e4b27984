"""What this node has to say to its peers, numbered in the batch that decides it, kept until each receipt.

`send` gives statements for the caller's own batch: the message and its number
stand or fall with what it tells about. Sealing and depositing come later, in
order, and may be repeated: a message's digest does not depend on when it is sealed again,
so the block of the journal that it tells of is fixed when it is first sealed.
Which receipts move what is in `federation.receipts`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from federation.envelope import Inner, seal_envelope
from federation.heads import own_head
from federation.messages import Message, encode_message, message_type
from federation.roster import RosterEntry
from federation.transport.port import DEPOSIT_LIMIT_BYTES, MailboxLink
from node.canonical import digest_of
from node.clock import SECOND, Micros
from node.database.port import Row, Statement, integer, read_as, text
from node.errors import Conflict, InvalidRequest
from node.failpoints import failpoint
from node.keys.encoding import from_base64
from node.names import Cause, NodeId
from node.node import Node

MESSAGE_LIMIT_BYTES = 500_000
"""A message's JSON; what is longer travels as a blob."""
BATCH = 64
OVERDUE: Micros = 60 * SECOND
"""Deposited and without a receipt for this long: shown, and deposited again, later each time."""
_OVERDUE_LIMIT: Micros = 3600 * SECOND


def send(node: Node, peer: NodeId, message: Message, *, cause: Cause) -> list[Statement]:
    """Give the statements that put a message into the outbox, to stand in the caller's batch.

    The number is counted by the database inside the batch, so several sends in
    one batch and writers in several processes get numbers without gaps.

    Raises
    ------
    InvalidRequest
        The message is too large for an envelope.
    """
    body = encode_message(message)
    type_ = message_type(type(message))
    if len(body.encode()) > MESSAGE_LIMIT_BYTES:
        raise InvalidRequest(
            f"Sending a {type_} to {peer} was refused: {len(body)} characters do not fit an envelope. Shorten it."
        )
    return [
        Statement(
            "INSERT INTO outgoing (peer, inc, n, digest, received_n) VALUES (?, ?, 0, '', 0)"
            " ON CONFLICT (peer) DO NOTHING",
            (peer, node.keys.incarnation),
        ),
        Statement("UPDATE outgoing SET n = n + 1 WHERE peer = ?", (peer,), expect=1),
        Statement(
            "INSERT INTO outbox (peer, inc, n, type, message, cause, state, at)"
            " SELECT peer, inc, n, ?, ?, ?, 'waiting', ? FROM outgoing WHERE peer = ?",
            (type_, body, cause, node.now(), peer),
            expect=1,
        ),
    ]


class _Waiting(msgspec.Struct, frozen=True, kw_only=True):
    inc: str
    n: int
    type: str
    message: str
    cause: Cause
    head: str | None
    """Empty: none; None: not sealed before."""


def seal_waiting(node: Node, recipient: RosterEntry) -> int:
    """Seal what waits for a peer, oldest first; gives how many were sealed.

    Another process that seals at the same time makes this one's batch fail
    whole, and nothing is sealed twice under one number with two digests.
    """
    peer = recipient.node
    rows = read_as(
        node.database,
        _Waiting,
        "SELECT inc, n, type, message, cause, head FROM outbox WHERE peer = ? AND state = 'waiting' ORDER BY n LIMIT ?",
        (peer, BATCH),
    )
    if not rows:
        return 0
    (outgoing,) = node.database.read("SELECT inc, digest FROM outgoing WHERE peer = ?", (peer,))
    inc, before = text(outgoing, "inc"), text(outgoing, "digest")
    # Read after the count: whoever sealed the one before has not told of a newer one.
    head = own_head(node.database) or ""
    statements: list[Statement] = []
    prev = before
    for row in rows:
        told = head if row.head is None else row.head
        inner = Inner(
            sender=node.id,
            recipient=peer,
            inc=row.inc,
            n=row.n,
            prev=prev,
            head=told or None,
            cause=row.cause,
            type=row.type,
            body=row.message,
        )
        sealed = seal_envelope(node.keys, recipient, inner).to_text()
        prev = inner.digest
        statements.append(
            Statement(
                "UPDATE outbox SET state = 'sealed', digest = ?, envelope = ?, envelope_digest = ?,"
                " head = ? WHERE peer = ? AND inc = ? AND n = ? AND state = 'waiting'",
                (prev, sealed, digest_of(sealed), told, peer, inc, row.n),
                expect=1,
            )
        )
    moved = Statement(
        "UPDATE outgoing SET digest = ? WHERE peer = ? AND inc = ? AND digest = ?",
        (prev, peer, inc, before),
        expect=1,
    )
    try:
        node.write([*statements, moved])
    except Conflict:
        return 0  # sealed elsewhere, or begun anew; the next look sees what is left
    failpoint("sealed")
    return len(rows)


def deposit_sealed(node: Node, peer: NodeId, link: MailboxLink) -> int:
    """Leave sealed envelopes at the host of the peer's mailbox, in order; gives how many.

    Raises
    ------
    GridError
        As the link says; the envelopes stay here and are tried again.
    """
    rows = node.database.read(
        "SELECT inc, n, envelope FROM outbox WHERE peer = ? AND state = 'sealed' ORDER BY n LIMIT ?",
        (peer, BATCH),
    )
    batch: list[Row] = []
    envelopes: list[bytes] = []
    size = 0
    for row in rows:
        envelope = from_base64(text(row, "envelope"))
        size += len(envelope)
        if batch and size > DEPOSIT_LIMIT_BYTES:
            break
        batch.append(row)
        envelopes.append(envelope)
    if not batch:
        return 0
    link.deposit(envelopes)
    node.write([_deposited(peer, row, now=node.now()) for row in batch])
    return len(batch)


def repeat_overdue(node: Node, peer: NodeId) -> int:
    """Let what was deposited long ago and never acknowledged be deposited again; gives how many.

    The wait doubles each time, so a peer that sleeps through a night costs little.
    """
    now = node.now()
    due = "peer = ? AND state = 'deposited' AND deposited_at + min(max(deposited_at - at, ?), ?) < ?"
    params = (peer, OVERDUE, _OVERDUE_LIMIT, now)
    (row,) = node.database.read(f"SELECT count(*) AS n FROM outbox WHERE {due}", params)
    if integer(row, "n"):
        node.write([Statement(f"UPDATE outbox SET state = 'sealed' WHERE {due}", params)])
    return integer(row, "n")


def begin_incarnation(node: Node, peer: NodeId, *, inc: str) -> list[Statement]:
    """Give the statements that number everything unacknowledged anew under a new incarnation.

    For a node that was restored or cloned: its peer knows envelopes that it does not.
    Counted by the database, so a message sent in the meantime is renumbered too.
    What is unacknowledged is what follows ``received_n`` without gaps.
    """
    ours = "(SELECT %s FROM outgoing WHERE outgoing.peer = outbox.peer)"
    return [
        Statement(
            "UPDATE outbox SET inc = ?, state = 'waiting', digest = NULL, envelope = NULL, envelope_digest = NULL,"
            f" head = NULL, n = n - {ours % 'received_n'}"
            f" WHERE peer = ? AND inc <> ? AND inc = {ours % 'inc'} AND n > {ours % 'received_n'}",
            (inc, peer, inc),
        ),
        Statement(
            "UPDATE outgoing SET inc = ?, n = n - received_n, received_n = 0, digest = '' WHERE peer = ? AND inc <> ?",
            (inc, peer, inc),
        ),
    ]


def forget_received(*, before: Micros) -> Statement:
    """Give the statement that drops messages acknowledged before a time; until then a peer may ask again."""
    return Statement("DELETE FROM outbox WHERE state = 'received' AND received_at < ?", (before,))


def _deposited(peer: NodeId, row: Row, *, now: Micros) -> Statement:
    return Statement(
        "UPDATE outbox SET state = 'deposited', deposited_at = ?"
        " WHERE peer = ? AND inc = ? AND n = ? AND state = 'sealed'",
        (now, peer, row["inc"], row["n"]),
    )


def unacknowledged(node: Node, peers: Sequence[NodeId]) -> dict[NodeId, Micros]:
    """Give, per peer, when the oldest message was deposited that is overdue for its receipt."""
    overdue: dict[NodeId, Micros] = {}
    for peer in peers:
        (row,) = node.database.read(
            "SELECT min(at) AS oldest FROM outbox WHERE peer = ? AND state IN ('deposited', 'sealed')"
            " AND deposited_at < ?",
            (peer, node.now() - OVERDUE),
        )
        if row["oldest"] is not None:
            overdue[peer] = integer(row, "oldest")
    return overdue
