"""The hosting side: mailboxes as rows, in order of arrival, for whoever they belong to.

Decides nothing about content, which it cannot see. Who may call is decided in
`federation.hosting`; here each recipient's mail is counted, kept, given out and forgotten.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from federation.envelope import Header
from federation.transport.port import Delivery
from node.canonical import digest_of
from node.clock import Micros
from node.database.port import Database, Statement, integer, text
from node.errors import Unavailable
from node.names import NodeId

QUOTA_ENVELOPES = 20_000
"""How many envelopes of one sender may wait for one recipient."""
QUOTA_BYTES = 256 << 20
BATCH_ENVELOPES = 64
BATCH_BYTES = 2 << 20


def deposit(header: Header, envelope: bytes, *, now: Micros) -> list[Statement]:
    """Give the statements that put an envelope into its recipient's mailbox.

    The arrival number is counted inside the batch, so that two processes never
    give one number twice. The same envelope again changes nothing; another one under
    its number (sealed anew) replaces it and arrives anew, as a receipt always does.
    """
    body = base64.b64encode(envelope).decode()
    place = (header.recipient, header.sender, header.inc, header.n)
    return [
        Statement(
            "DELETE FROM mailbox WHERE recipient = ? AND sender = ?"
            " AND (inc = ? AND n = ? OR n = 0 AND ? = 0) AND envelope <> ?",
            (*place, header.n, body),
        ),
        Statement(
            "INSERT INTO mailbox_count (recipient, arrival) VALUES (?, 1)"
            " ON CONFLICT (recipient) DO UPDATE SET arrival = arrival + 1",
            (header.recipient,),
        ),
        Statement(
            "INSERT INTO mailbox (recipient, sender, inc, n, arrival, bytes, envelope, envelope_digest, at)"
            " SELECT ?, ?, ?, ?, arrival, ?, ?, ?, ? FROM mailbox_count WHERE recipient = ?"
            " ON CONFLICT (recipient, sender, inc, n) DO NOTHING",
            (*place, len(envelope), body, digest_of(body), now, header.recipient),
        ),
    ]


def check_quota(database: Database, *, sender: NodeId, recipient: NodeId) -> None:
    """Refuse for now when a sender's mail already fills its share of a mailbox.

    Raises
    ------
    Unavailable
        The recipient must collect first.
    """
    (used,) = database.read(
        "SELECT count(*) AS envelopes, sum(bytes) AS bytes FROM mailbox WHERE recipient = ? AND sender = ?",
        (recipient, sender),
    )
    if integer(used, "envelopes") >= QUOTA_ENVELOPES or integer(used, "bytes") >= QUOTA_BYTES:
        raise Unavailable(
            f"Leaving mail for {recipient} failed: its mailbox is full of mail from {sender}."
            f" It goes on when {recipient} has collected."
        )


def waiting(database: Database, recipient: NodeId, *, after: int) -> list[Delivery]:
    """Give the oldest mail that arrived after a number, as much as one answer holds."""
    sizes = database.read(
        "SELECT arrival, bytes FROM mailbox WHERE recipient = ? AND arrival > ? ORDER BY arrival LIMIT ?",
        (recipient, after, BATCH_ENVELOPES),
    )
    last, total = after, 0
    for row in sizes:
        total += integer(row, "bytes")
        if total > BATCH_BYTES and last > after:
            break
        last = integer(row, "arrival")
    if last == after:
        return []
    rows = database.read(
        "SELECT arrival, sender, envelope FROM mailbox WHERE recipient = ? AND arrival > ? AND arrival <= ?"
        " ORDER BY arrival",
        (recipient, after, last),
    )
    return [
        Delivery(
            arrival=integer(row, "arrival"),
            sender=NodeId(text(row, "sender")),
            envelope=base64.b64decode(text(row, "envelope")),
        )
        for row in rows
    ]


def acknowledge(database: Database, recipient: NodeId, arrivals: Sequence[int]) -> list[Statement]:
    """Give the statements that forget acknowledged mail; none when all of it is forgotten already.

    A receipt (n = 0) stays until a newer one replaces it: a node restored from a
    backup learns from it how far it had really come.
    """
    places = ", ".join("?" * len(arrivals))
    kept = database.read(
        f"SELECT arrival FROM mailbox WHERE recipient = ? AND n <> 0 AND arrival IN ({places})",
        (recipient, *arrivals),
    )
    return [
        Statement("DELETE FROM mailbox WHERE recipient = ? AND arrival = ?", (recipient, row["arrival"]))
        for row in kept
    ]


def arrived(database: Database) -> dict[NodeId, int]:
    """Give how much mail ever came for each mailbox here."""
    rows = database.read("SELECT recipient, arrival FROM mailbox_count")
    return {NodeId(text(row, "recipient")): integer(row, "arrival") for row in rows}
