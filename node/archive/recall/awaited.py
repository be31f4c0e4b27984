"""A study brought for whoever reads it and waits: as long as such a one can, then it goes on without, and she is told.

A browser, a proxy and a device give up after a minute or so without a word. Before that they are answered in words
that say when to try again; a worker goes on meanwhile.
"""

from __future__ import annotations

from contextlib import suppress

from node.archive.recall.asking import READ, REST, ask_recall
from node.archive.recall.recalling import bring
from node.archive.recall.room import room_bytes
from node.archive.recall.tickets import estimates, lies_away, measured_rate, open_tickets
from node.clock import MINUTE, SECOND, Micros
from node.errors import Conflict, GridError, NotReady, Waited
from node.names import StudyKey
from node.node import Node

READER_WAITS: Micros = 50 * SECOND
ASK_AGAIN: Micros = MINUTE
"""When nothing tells how long it takes."""


def bring_for(
    node: Node,
    key: StudyKey,
    *,
    who: str = "",
    asker: str = "",
    why: str = READ,
    series_uid: str = "",
    waits: Micros = READER_WAITS,
) -> None:
    """Bring a study, or a series of it, for somebody who reads it now.

    Raises
    ------
    NotReady
        It takes longer than she can wait, and goes on; ``ready_at`` says when to try again.
    Unavailable, Damaged
        As `recalling.bring`.
    """
    began = node.now()
    if node.archive.is_late(key.subject, now=began, for_=ASK_AGAIN):
        if lies_away(node.database, key, series_uid=series_uid)[0]:
            raise _goes_on(node, key, who=who, asker=asker, why=why, series_uid=series_uid)
        return
    try:
        bring(node, key, who=who, why=why, series_uid=series_uid, until=began + waits)
    except Waited:
        node.archive.note_late(key.subject, now=node.now())
        raise _goes_on(node, key, who=who, asker=asker, why=why, series_uid=series_uid) from None


def let_follow(node: Node, key: StudyKey, *, who: str, asker: str, why: str) -> None:
    """Let a study come of which somebody views a part; nothing when it is on its way, or another would have to go for it."""
    _, size = lies_away(node.database, key)
    if 0 < size <= room_bytes(node):
        with suppress(GridError):
            ask_recall(node, None, key, who=who, asker=asker, why=why, priority=REST)


def _goes_on(node: Node, key: StudyKey, *, who: str, asker: str, why: str, series_uid: str) -> NotReady:
    """Let a worker go on, and give what the reader is told: a device hears the first 64 characters."""
    ready_at, place = node.now() + ASK_AGAIN, ""
    try:
        ticket = ask_recall(node, None, key, who=who, asker=asker, why=why, series_uid=series_uid)
    except Conflict as error:  # it has come meanwhile, or too many are on their way for her
        return NotReady(error.message, ready_at=ready_at)
    estimate = estimates(open_tickets(node.database), measured_rate(node.database)).get(ticket.id)
    if estimate is not None and estimate.left is not None:
        ready_at = node.now() + max(estimate.left, SECOND)
    if estimate is not None and estimate.position > 1:
        place = f", {estimate.position - 1} are before it"
    seconds = (ready_at - node.now()) // SECOND
    return NotReady(
        f"Reading the study was put off for {seconds} s: it is on its way back from the archive{place}. It goes on by"
        " itself; try again then.",
        ready_at=ready_at,
    )
