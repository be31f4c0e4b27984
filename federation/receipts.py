"""What a receipt moves: at its maker, when one is due; at the sender, what need not be kept any more.

A receipt is cumulative and unnumbered, and the newest counts. It also tells a
restored node the truth: a sender whose peer knows envelopes that it does not know itself
begins a new incarnation; a sender whose peer has forgotten some seals them again.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.envelope import Inner, seal_envelope
from federation.heads import own_head
from federation.messages import Receipt, Received, encode_message, message_type
from federation.outbox import begin_incarnation
from federation.roster import RosterEntry
from federation.sequence import Position
from node.clock import SECOND, Micros
from node.database.port import Database, Row, Statement, integer, text
from node.names import Cause, NodeId
from node.node import Node

ASK_AGAIN: Micros = 30 * SECOND
"""The least time between two requests to seal again, so that a host that damages all mail costs little."""


def position(database: Database, peer: NodeId) -> Position | None:
    """Give the last envelope applied from a peer; None before its first."""
    rows = database.read("SELECT inc, n, digest FROM incoming WHERE peer = ?", (peer,))
    if not rows or not rows[0]["inc"]:
        return None
    return Position(text(rows[0], "inc"), integer(rows[0], "n"), text(rows[0], "digest"))


def take_position(peer: NodeId, *, before: Position | None, after: Position, now: Micros) -> list[Statement]:
    """Give the statements that move a peer's position by compare-and-set, in the batch of the effects."""
    if before is None:
        return [
            _row(peer, now=now),
            Statement(
                "UPDATE incoming SET inc = ?, n = ?, digest = ?, at = ? WHERE peer = ? AND inc = ''",
                (*after, now, peer),
                expect=1,
            ),
        ]
    return [
        Statement(
            "UPDATE incoming SET inc = ?, n = ?, digest = ?, at = ? WHERE peer = ? AND inc = ? AND n = ? AND digest = ?",
            (*after, now, peer, *before),
            expect=1,
        )
    ]


def tell_again(peer: NodeId, *, now: Micros) -> list[Statement]:
    """Give the statements that make a receipt due although nothing moved."""
    return [_row(peer, now=now), Statement("UPDATE incoming SET receipt_n = -1 WHERE peer = ?", (peer,))]


def ask_again(peer: NodeId, *, now: Micros) -> list[Statement]:
    """Give the statements that ask a peer to seal again what follows; at most one request per `ASK_AGAIN`."""
    return [
        _row(peer, now=now),
        Statement(
            "UPDATE incoming SET again = 1, asked_at = ?, receipt_n = -1 WHERE peer = ? AND asked_at < ?",
            (now, peer, now - ASK_AGAIN),
        ),
    ]


@dataclass(frozen=True, slots=True)
class Due:
    """A sealed receipt to deposit, and the statement that says it was."""

    envelope: bytes
    told: Statement


def seal_receipt(node: Node, peer: RosterEntry) -> Due | None:
    """Seal a receipt for a peer if it has not been told of what was applied."""
    rows = node.database.read(
        "SELECT inc, n, digest, again FROM incoming WHERE peer = ? AND (n <> receipt_n OR again = 1)",
        (peer.node,),
    )
    if not rows:
        return None
    inc, n, again = text(rows[0], "inc"), integer(rows[0], "n"), integer(rows[0], "again")
    receipt = Receipt(inc=inc, n=n, digest=text(rows[0], "digest"), again=bool(again), at=node.now())
    inner = Inner(
        sender=node.id,
        recipient=peer.node,
        inc=node.keys.incarnation,
        n=0,
        prev="",
        head=own_head(node.database),
        cause=Cause(""),
        type=message_type(Receipt),
        body=encode_message(receipt),
    )
    told = Statement(
        "UPDATE incoming SET receipt_n = ?, again = 0 WHERE peer = ? AND inc = ? AND n = ? AND again = ?",
        (n, peer.node, inc, n, again),
    )
    return Due(seal_envelope(node.keys, peer, inner).to_bytes(), told)


def apply_receipt(node: Node, received: Received, receipt: Receipt) -> list[Statement]:
    """Give the statements that a peer's receipt asks for at the sender."""
    peer = received.sender
    rows = node.database.read("SELECT inc, n, received_n, receipt_at FROM outgoing WHERE peer = ?", (peer,))
    if not rows:
        return _restored(node, peer, receipt, row=None) if receipt.inc else []
    row = rows[0]
    inc, received_n = text(row, "inc"), integer(row, "received_n")
    forward = receipt.inc == inc and receipt.n > received_n
    if receipt.at <= integer(row, "receipt_at") and not forward:
        return []  # an older one that a host gave again; what moves forward is true at any time
    newest = Statement(
        "UPDATE outgoing SET receipt_at = ? WHERE peer = ? AND inc = ? AND receipt_at = ?",
        (receipt.at, peer, inc, row["receipt_at"]),
        expect=1,
    )
    if receipt.inc > inc or (receipt.inc == inc and not _is_ours(node, peer, receipt, row=row)):
        return [newest, *_restored(node, peer, receipt, row=row)]
    # A receipt in an earlier life of ours knows nothing of this one: it stands at 0.
    n, digest = (receipt.n, receipt.digest) if receipt.inc == inc else (0, "")
    if n < received_n or receipt.again:
        return [newest, *_seal_again(node, peer, Position(inc, n, digest), row=row)]
    return [newest, *_settle(peer, Position(inc, n, digest), now=node.now())]


def _is_ours(node: Node, peer: NodeId, receipt: Receipt, *, row: Row) -> bool:
    """Say whether the envelope that a peer last applied is one that this node remembers sealing."""
    sealed = node.database.read(
        "SELECT digest FROM outbox WHERE peer = ? AND inc = ? AND n = ?", (peer, receipt.inc, receipt.n)
    )
    if sealed:
        return sealed[0]["digest"] == receipt.digest
    return receipt.n <= integer(row, "received_n")  # acknowledged long ago, and forgotten


def _restored(node: Node, peer: NodeId, receipt: Receipt, *, row: Row | None) -> list[Statement]:
    """Begin a new incarnation, greater than any the peer has seen: this node has forgotten what it sent."""
    mine = "" if row is None else text(row, "inc")
    inc = node.keys.incarnation
    if inc <= max(mine, receipt.inc):
        inc = node.keys.new_incarnation(after=receipt.inc)
    return [
        *begin_incarnation(node, peer, inc=inc),
        *node.problem(
            "node-restored",
            about=f"peer/{peer}",
            detail=f"Sending to {peer} began anew: it holds messages that this node does not remember, as after a"
            " restore from a backup. Check that only one copy of this node runs.",
            cause=Cause(inc),
        ),
    ]


def _settle(peer: NodeId, at: Position, *, now: Micros) -> list[Statement]:
    # Asked to seal again and taken all the same, since it was on its way: what follows is sealed behind it.
    overtaken = "SELECT 1 FROM outbox WHERE peer = outgoing.peer AND inc = outgoing.inc AND n = ? AND state = 'waiting'"
    return [
        Statement(
            f"UPDATE outgoing SET digest = ? WHERE peer = ? AND inc = ? AND EXISTS ({overtaken})",
            (at.digest, peer, at.inc, at.n),
        ),
        Statement(
            "UPDATE outbox SET state = 'received', received_at = ?, envelope = NULL, envelope_digest = NULL"
            " WHERE peer = ? AND inc = ? AND n <= ? AND state <> 'received'",
            (now, peer, at.inc, at.n),
        ),
        Statement(
            "UPDATE outgoing SET received_n = max(received_n, ?) WHERE peer = ? AND inc = ?",
            (at.n, peer, at.inc),
        ),
    ]


def _seal_again(node: Node, peer: NodeId, at: Position, *, row: Row) -> list[Statement]:
    """Let everything after a position wait for sealing, also what the peer once had and lost."""
    (kept,) = node.database.read(
        "SELECT min(n) AS first, count(*) AS kept FROM outbox WHERE peer = ? AND inc = ? AND n > ?",
        (peer, at.inc, at.n),
    )
    if integer(kept, "kept") < integer(row, "n") - at.n:
        # Some were acknowledged and forgotten: what is left gets new numbers, without a gap.
        gone = integer(row, "n") - integer(kept, "kept")
        inc = node.keys.new_incarnation(after=at.inc)
        return [
            Statement("UPDATE outgoing SET received_n = ? WHERE peer = ?", (gone, peer)),
            Statement(
                "UPDATE outbox SET state = 'waiting' WHERE peer = ? AND inc = ? AND n > ?",
                (peer, at.inc, gone),
            ),
            *begin_incarnation(node, peer, inc=inc),
        ]
    return [
        *_settle(peer, at, now=node.now()),
        Statement(
            # Its digest stays: sealed again it is the same, and a receipt for it may be on its way.
            "UPDATE outbox SET state = 'waiting', envelope = NULL, envelope_digest = NULL,"
            " received_at = NULL WHERE peer = ? AND inc = ? AND n > ?",
            (peer, at.inc, at.n),
        ),
        Statement(
            "UPDATE outgoing SET digest = ?, received_n = ? WHERE peer = ? AND inc = ?",
            (at.digest, at.n, peer, at.inc),
        ),
    ]


def _row(peer: NodeId, *, now: Micros) -> Statement:
    return Statement(
        "INSERT INTO incoming (peer, inc, n, digest, at) VALUES (?, '', 0, '', ?) ON CONFLICT (peer) DO NOTHING",
        (peer, now),
    )
