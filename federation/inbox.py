"""What comes from peers: opened, checked against its sender's order, applied with its cursor in one batch.

Nothing that arrives can stop what comes after it for longer than its sender's own
order demands. When `take` returns, the outcome is durable and the host may forget
the envelope: it was applied, had been applied before, waits here for an earlier one,
or is set aside with a reason that the administrator sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from federation.appliers import APPLIERS, Applier, Appliers
from federation.envelope import Envelope, Opened, open_envelope
from federation.envelope_errors import (
    ChainBroken,
    EnvelopeDamaged,
    EnvelopeMalformed,
    Forged,
    Forked,
    KeyGone,
    NotForUs,
    OutOfOrder,
    Replayed,
    RevokedSender,
    UnknownSender,
)
from federation.heads import notice_head
from federation.messages import Received
from federation.problems import problem_once
from federation.receipts import ASK_AGAIN, ask_again, position, take_position, tell_again
from federation.roster import Roster
from federation.sequence import Position
from federation.transport.port import Delivery
from node.canonical import digest_of
from node.clock import SECOND, Micros
from node.database.port import Statement, integer, text
from node.database.subset import check_subset
from node.errors import Conflict, GridError, Retry, Unavailable
from node.failpoints import failpoint
from node.keys.encoding import to_base64
from node.names import Cause, NodeId
from node.node import Node

ATTEMPTS = 30
"""How often a message is decided anew while its subject moves, before it is set aside."""
KEPT_REFUSED = 200
"""How many refused envelopes are kept to be looked at."""
EARLY_LIMIT = 5_000
"""How many envelopes of one sender may wait here for an earlier one."""
MISSING: Micros = 10 * SECOND
"""How long an earlier envelope may be missing before it is asked for."""


_KINDS: dict[type[GridError], str] = {
    EnvelopeMalformed: "malformed",
    EnvelopeDamaged: "damaged",
    Forged: "forged",
    Forked: "forked",
    ChainBroken: "chain-broken",
    KeyGone: "key-gone",
    UnknownSender: "unknown-sender",
    RevokedSender: "revoked-sender",
    NotForUs: "misaddressed",
}
"""How the administrator's list of problems names each refusal."""


class Outcome(Enum):
    """What became of an envelope."""

    APPLIED = "applied"
    SKIPPED = "skipped"
    """Genuine and in its turn; its message was refused, and counts as done."""
    EARLY = "early"
    REPEATED = "repeated"
    REFUSED = "refused"


def take(node: Node, roster: Roster, delivery: Delivery, *, appliers: Appliers = APPLIERS) -> Outcome:
    """Open an envelope and apply it, or say durably why not.

    Raises
    ------
    Unavailable
        Not now: the database or what an applier needs is busy. Nothing was written.
    """
    try:
        envelope = Envelope.from_bytes(delivery.envelope)
    except GridError as error:
        return _refuse(node, delivery.sender, delivery.envelope, error)
    outcome = _take(node, roster, envelope, appliers=appliers)
    if outcome is not Outcome.REFUSED and envelope.header.n:
        _take_early(node, roster, envelope.header.sender, appliers=appliers)
    return outcome


def forget_set_aside(*, before: Micros) -> Statement:
    """Give the statement that drops envelopes set aside before a time."""
    return Statement("DELETE FROM inbox WHERE state <> 'early' AND at < ?", (before,))


def ask_for_missing(node: Node) -> int:
    """Ask the senders of envelopes that wait here for an earlier one; gives how many were asked."""
    now = node.now()
    rows = node.database.read(
        "SELECT inbox.sender AS sender, min(inbox.n) AS n FROM inbox LEFT JOIN incoming ON incoming.peer = inbox.sender"
        " WHERE inbox.state = 'early' AND inbox.at < ? AND coalesce(incoming.asked_at, 0) < ? GROUP BY inbox.sender",
        (now - MISSING, now - ASK_AGAIN),
    )
    for row in rows:
        sender = NodeId(text(row, "sender"))
        detail = (
            f"Taking envelope {integer(row, 'n')} from {sender} waits: an earlier one has not come. It was asked"
            " for again; if this stays, ask the mailbox's host."
        )
        node.write(
            [
                *ask_again(sender, now=now),
                *problem_once(
                    node, "envelope-missing", about=f"peer/{sender}", detail=detail, cause=Cause("")
                ),
            ]
        )
    return len(rows)


def _take(node: Node, roster: Roster, envelope: Envelope, *, appliers: Appliers) -> Outcome:
    for attempt in range(ATTEMPTS + 1):
        last = position(node.database, envelope.header.sender)
        opened = _open(node, roster, envelope, last)
        if isinstance(opened, Outcome):
            return opened
        try:
            if attempt < ATTEMPTS:
                statements, outcome = _decide(node, opened, envelope, appliers=appliers)
            else:
                reason = "what it is about kept changing. Ask its sender to say it again."
                statements, outcome = _skip(node, opened, envelope, reason), Outcome.SKIPPED
            _write(node, opened, [*statements, *notice_head(node, opened)], last=last)
        except Conflict:
            continue  # something it was decided on has moved; read again
        failpoint("applied")
        return outcome
    raise Unavailable(
        "Applying mail failed: another process applies mail of the same sender. It is tried again."
    )


def _open(node: Node, roster: Roster, envelope: Envelope, last: Position | None) -> Opened | Outcome:
    """Open an envelope if it is the next one; else do what its error means, and give that outcome."""
    sender = envelope.header.sender
    also: list[Statement] = []
    refusal: GridError
    try:
        return open_envelope(node.keys, roster, envelope, last)
    except Replayed as error:
        return _repeated(node, envelope, error)
    except OutOfOrder:
        return _keep_early(node, envelope)
    except Forked as error:
        # The receipt names the one that was taken here: the sender sees that it lives twice.
        also, refusal = tell_again(sender, now=node.now()), error
    except (ChainBroken, EnvelopeDamaged, KeyGone, Forged) as error:
        if roster.peek(sender) is not None:
            also = ask_again(sender, now=node.now())
        refusal = error
    except GridError as error:
        refusal = error
    return _refuse(node, sender, envelope.to_bytes(), refusal, also=also)


def _decide(
    node: Node, opened: Opened, envelope: Envelope, *, appliers: Appliers
) -> tuple[list[Statement], Outcome]:
    """Give what the message asks for, or what sets it aside."""
    inner = opened.inner
    received = Received(sender=inner.sender, cause=inner.cause, at=node.now())
    entry = appliers.get(inner.type)
    if entry is None:
        reason = "its type is not known here. Update this node."
    else:
        try:
            return _asked_for(entry, node, received, inner.body), Outcome.APPLIED
        except GridError as error:
            if isinstance(error, Conflict) or error.retry is Retry.LATER:
                raise
            reason = error.message
        except Exception as error:  # noqa: BLE001 - one message must not stop all that follow it for ever
            reason = f"this node failed on it ({type(error).__name__}). Report it."
    return _skip(node, opened, envelope, reason), Outcome.SKIPPED


def _asked_for(entry: Applier, node: Node, received: Received, body: str) -> list[Statement]:
    """Give what a message asks for; refused when no row may hold it, so that it does not stop what comes after."""
    statements = entry.statements(node, received, body)
    for statement in statements:
        check_subset(statement)
    return statements


def _write(node: Node, opened: Opened, statements: list[Statement], *, last: Position | None) -> None:
    inner = opened.inner
    if not inner.n:
        if statements:
            node.write(statements)
        return
    moved = take_position(inner.sender, before=last, after=opened.position, now=node.now())
    node.write([*statements, *moved], f"inbox/{inner.sender}/{inner.inc}/{inner.n}")


def _take_early(node: Node, roster: Roster, sender: NodeId, *, appliers: Appliers) -> None:
    """Apply what was waiting here for the one just applied."""
    while (last := position(node.database, sender)) is not None:
        rows = node.database.read(
            "SELECT digest, envelope FROM inbox WHERE sender = ? AND inc = ? AND n = ? AND state = 'early'",
            (sender, last.inc, last.n + 1),
        )
        if not rows:
            break
        _take(node, roster, Envelope.from_text(text(rows[0], "envelope")), appliers=appliers)
        node.write(
            [
                Statement(
                    "DELETE FROM inbox WHERE sender = ? AND state = 'early' AND (inc < ? OR inc = ? AND n <= ?)",
                    (sender, last.inc, last.inc, last.n + 1),
                )
            ]
        )


def _keep_early(node: Node, envelope: Envelope) -> Outcome:
    header = envelope.header
    (row,) = node.database.read(
        "SELECT count(*) AS n FROM inbox WHERE sender = ? AND state = 'early'", (header.sender,)
    )
    if integer(row, "n") >= EARLY_LIMIT:
        raise Unavailable(
            f"Keeping envelope {header.n} from {header.sender} failed: too many wait for an earlier one."
        )
    node.write([_inbox_row(node, header.sender, envelope.to_bytes(), state="early", reason="")])
    return Outcome.EARLY


def _repeated(node: Node, envelope: Envelope, error: Replayed) -> Outcome:
    """Drop what was taken before. It is shown when the host had been told to forget it."""
    header = envelope.header
    rows = node.database.read("SELECT inc, receipt_n FROM incoming WHERE peer = ?", (header.sender,))
    if not rows or (rows[0]["inc"] == header.inc and header.n > integer(rows[0], "receipt_n")):
        return Outcome.REPEATED  # delivered twice, as a host may until it is told
    detail = (
        f"{error.message.removesuffix(' Nothing to do.')} It was dropped. Its host gave it again after it was"
        " acknowledged, or its sender was restored from a backup; if this goes on, look there."
    )
    node.write(
        [
            *tell_again(header.sender, now=node.now()),
            *problem_once(
                node, "envelope-replayed", about=f"peer/{header.sender}", detail=detail, cause=Cause("")
            ),
        ]
    )
    return Outcome.REPEATED


def _refuse(
    node: Node, sender: NodeId, content: bytes, error: GridError, *, also: Sequence[Statement] = ()
) -> Outcome:
    kind = f"envelope-{_KINDS.get(type(error), 'refused')}"
    (kept,) = node.database.read("SELECT count(*) AS n FROM inbox WHERE state = 'refused'")
    statements = list(also)
    if integer(kept, "n") < KEPT_REFUSED:
        statements.append(_inbox_row(node, sender, content, state="refused", reason=error.message))
    statements += problem_once(node, kind, about=f"peer/{sender}", detail=error.message, cause=Cause(""))
    if statements:
        node.write(statements)
    return Outcome.REFUSED


def _skip(node: Node, opened: Opened, envelope: Envelope, reason: str) -> list[Statement]:
    inner = opened.inner
    detail = f"Applying {inner.type} number {inner.n} from {inner.sender} was refused: {reason}"
    return [
        _inbox_row(node, inner.sender, envelope.to_bytes(), state="skipped", reason=reason),
        *node.problem("message-refused", about=f"peer/{inner.sender}", detail=detail, cause=inner.cause),
    ]


def _inbox_row(node: Node, sender: NodeId, content: bytes, *, state: str, reason: str) -> Statement:
    try:
        header = Envelope.from_bytes(content).header
        inc, n = header.inc, header.n
    except GridError:
        inc, n = "", -1
    return Statement(
        "INSERT INTO inbox (sender, inc, n, digest, state, reason, envelope, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (sender, inc, n, digest) DO NOTHING",
        (sender, inc, n, digest_of(content), state, reason, to_base64(content), node.now()),
    )
