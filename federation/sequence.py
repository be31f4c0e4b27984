"""Whether a genuine envelope is the next one from its sender.

A sender's envelopes to one recipient are numbered from 1 without gaps within one
incarnation, each naming the digest of the one before. A later incarnation is
greater as text, so an earlier life's envelopes are told from a new life's.
"""

from __future__ import annotations

from typing import NamedTuple

from federation.envelope_errors import ChainBroken, Forked, Misnumbered, OutOfOrder, Replayed
from node.names import NodeId

UNNUMBERED = frozenset({"receipt/1"})
"""Types whose number is 0. Only what may be repeated or lost without harm may be here."""


class Position(NamedTuple):
    """Where an envelope stands among those of its sender."""

    inc: str
    n: int
    digest: str


def check_position(sender: NodeId, type_: str, *, this: Position, prev: str, last: Position | None) -> None:
    """Return when an envelope follows the last one taken, or is of an unnumbered type.

    Parameters
    ----------
    prev
        The digest that it names as the one before it; empty for the first.
    last
        The last one taken from this sender; None when there was none.

    Raises
    ------
    Misnumbered, Replayed, Forked, OutOfOrder, ChainBroken
        It does not; nothing of it may be applied.
    """
    inc, n, digest = this
    named = f"Taking envelope {n} from {sender}"
    if (n == 0) != (type_ in UNNUMBERED):
        raise Misnumbered(f"{named} was refused: a {type_} may not have that number. Update its sender.")
    if n == 0:
        return
    if last is not None and inc < last.inc:
        raise Replayed(f"{named} was refused: it is of an earlier life of its sender ({inc}). Nothing to do.")
    before = last if last is not None and inc == last.inc else Position(inc, 0, "")
    if n == before.n and digest != before.digest:
        raise Forked(
            f"{named} was refused: another one was taken under this number. Its sender lives twice or was"
            " restored; there, begin a new incarnation."
        )
    if n <= before.n:
        raise Replayed(f"{named} was refused: {before.n} was taken already. Nothing to do.")
    if n > before.n + 1:
        raise OutOfOrder(f"{named} failed: {before.n + 1} has not come yet. It is taken after that.")
    if prev != before.digest:
        raise ChainBroken(
            f"{named} failed: it does not follow the one taken before it. Let its sender seal again from"
            f" {n}, or begin a new incarnation there."
        )
