"""The newest block of each node's journal, told in every envelope, so that peers notice a past that was rewritten.

Decides what an envelope says (`head`), what of a peer's is kept, and what contradicts
it. The envelope is applied all the same: its words are genuine, whatever became of its
sender's journal, and a person is told.

Numbered envelopes are taken in their order, so a head that goes back was taken back.
Receipts may come in any order: of them only two digests for one block tell something,
and they are kept apart, since a life of a sender begins at another time in each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from federation.envelope import Opened
from federation.problems import problem_once
from node.database.port import Database, Statement, integer, text
from node.failpoints import planted
from node.journal.chain import newest_block
from node.names import Digest, NodeId
from node.node import Node

NUMBERED, RECEIPTS = "numbered", "receipts"
_SHAPE = re.compile(r"([1-9][0-9]{0,14}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Head:
    """A block, as an envelope names it: ``N:DIGEST``."""

    n: int
    digest: Digest

    def __str__(self) -> str:
        return f"{self.n}:{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a peer has told so far."""

    inc: str
    head: Head


def own_head(database: Database) -> str | None:
    """Give what the next envelope says; None before this node's first block."""
    block = newest_block(database)
    return None if block is None else str(Head(block.n, block.digest))


def read_head(said: str) -> Head | None:
    """Read what an envelope says; None when it is no head."""
    shape = _SHAPE.fullmatch(said)
    return None if shape is None else Head(int(shape[1]), Digest(shape[2]))


def known_head(database: Database, peer: NodeId, stream: str = NUMBERED) -> Known | None:
    """Give the newest head that a peer has told in envelopes of a kind; None before the first."""
    rows = database.read("SELECT inc, n, digest FROM peer_head WHERE peer = ? AND stream = ?", (peer, stream))
    if not rows:
        return None
    head = Head(integer(rows[0], "n"), Digest(text(rows[0], "digest")))
    return Known(inc=text(rows[0], "inc"), head=head)


def notice_head(node: Node, opened: Opened) -> list[Statement]:
    """Give the statements that keep what an envelope says of its sender's journal, and show what contradicts it.

    To stand in the batch that applies the envelope.
    """
    inner = opened.inner
    if inner.head is None:
        return []  # no block yet, or a version that makes none
    told = read_head(inner.head)
    if told is None:
        detail = (
            f"Reading which block of its journal {inner.sender} is at failed: {inner.head[:40]!r} is none. What it"
            " sent was applied. Update this node, or ask there."
        )
        return problem_once(
            node, "head-unreadable", about=f"peer/{inner.sender}", detail=detail, cause=inner.cause
        )
    stream = NUMBERED if inner.n else RECEIPTS
    known = known_head(node.database, inner.sender, stream)
    if known is None or inner.inc > known.inc:
        return [_keep(node, opened, told, stream=stream)]
    if inner.inc < known.inc or told == known.head or (not inner.n and told.n < known.head.n):
        return []
    shown = [] if told.n > known.head.n or planted("head-not-compared") else _show(node, opened, known, told)
    return [_keep(node, opened, told, stream=stream), *shown]


def _show(node: Node, opened: Opened, known: Known, told: Head) -> list[Statement]:
    sender = opened.inner.sender
    detail = (
        f"Taking mail from {sender} found that the past of its journal was rewritten: it had told of block"
        f" {known.head.n} with digest {known.head.digest}, and now tells of block {told.n} with digest {told.digest}."
        " The mail was applied. Ask its administrator whether the node was restored, and to run 'meridian verify'."
    )
    return problem_once(
        node, "journal-rewritten", about=f"peer/{sender}", detail=detail, cause=opened.inner.cause
    )


def _keep(node: Node, opened: Opened, told: Head, *, stream: str) -> Statement:
    """Keep what was told last, also when it contradicts what was told before: that is shown once, not for ever."""
    inner = opened.inner
    return Statement(
        "INSERT INTO peer_head (peer, stream, inc, n, digest, at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (peer, stream) DO UPDATE SET inc = excluded.inc, n = excluded.n, digest = excluded.digest,"
        " at = excluded.at",
        (inner.sender, stream, inner.inc, told.n, told.digest, node.now()),
    )
