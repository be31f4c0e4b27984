"""A study asked back: its ticket, and the worker that it is handed to when its turn comes.

However many are asked for, only a few lie with workers; whose turn it is among the others is `turns`'s, looked at
each time one is done. So a person's place is never worse than the page says, whatever is asked for after her.
"""

from __future__ import annotations

from contextlib import suppress

from node.archive.lifecycle.known import EARLY
from node.archive.recall.tickets import WAITING, Ticket, lies_away, peek_open, waiting_tickets
from node.archive.tier import QUEUE
from node.catalogue.search import get_study
from node.database.port import Statement, integer
from node.errors import Conflict
from node.journal.jobs import enqueue
from node.names import Cause, StudyKey
from node.node import Node
from node.people.audit import Acting, record_act

JOB = "recall_study"
ASKED, VIEWED, READ, PRIORS, EXPECTED = "asked", "viewed", "read", "priors", "expected"
"""Why a study is asked back."""
PRIORITY, REST = 1, 2
"""Of what a person waits for; of the rest of what she views; behind them `EARLY`, of what nobody waits for yet. Archiving comes
after all."""
MOST_SENT = 4
"""Lie with workers at once: as many as they do, and one behind each."""
MOST_EARLY = 1
"""... of what nobody waits for yet, so that who does is next but one."""
MOST_EACH = 100
"""May be open for one who asks."""


def ask_recall(
    node: Node,
    by: Acting | None,
    key: StudyKey,
    *,
    who: str,
    asker: str = "",
    address: str = "",
    series_uid: str = "",
    why: str = ASKED,
    priority: int = PRIORITY,
) -> Ticket:
    """Ask for a study, or a series of it, to be brought online; what is asked for already keeps its ticket.

    Parameters
    ----------
    who, asker
        Whom the list names, and by what id she is told apart from others; both empty for the node itself.

    Raises
    ------
    NotFound
        The study is not held here.
    Conflict
        All of it is online, or too many are open for her.
    """
    found = peek_open(node.database, key, series_uid=series_uid)
    if found is not None:
        return _sooner(node, found, who=who, asker=asker, why=why, priority=priority)
    get_study(node.database, key)
    instances, size = lies_away(node.database, key, series_uid=series_uid)
    if not instances:
        raise Conflict("Recalling the study was refused: all of it is online. Open it.")
    _check_open(node, asker)
    row = _asked(
        node, key, who=who, asker=asker, series_uid=series_uid, why=why, priority=priority,
        instances=instances, size=size,
    )  # fmt: skip
    act = record_act(node, by, act="recall-study", subject=key.subject, address=address)
    try:
        node.write([row, act])
    except Conflict:
        if peek_open(node.database, key, series_uid=series_uid) is None:
            raise
    send_next(node)
    again = peek_open(node.database, key, series_uid=series_uid)
    if again is None:
        raise Conflict("Recalling the study was refused: it came back meanwhile. Open it.")
    return again


def send_next(node: Node) -> None:
    """Hand those whose turn it is to workers, as far as those have room; whoever was first has done it."""
    (row,) = node.database.read(
        "SELECT count(*) AS n FROM recall WHERE sent_at IS NOT NULL AND state IN ('waiting', 'running')"
    )
    there = integer(row, "n")
    if there >= MOST_SENT:
        return
    for ticket in waiting_tickets(node.database)[: MOST_SENT - there]:
        if there >= _most(ticket):
            return
        with suppress(Conflict):
            node.write(_sent(node, ticket))
            there += 1


def _most(ticket: Ticket) -> int:
    return MOST_EARLY if ticket.priority >= EARLY else MOST_SENT


def _sent(node: Node, ticket: Ticket) -> list[Statement]:
    """Hand a ticket over, at a time of its own: by it the next turn is told."""
    handed = Statement(
        "UPDATE recall SET sent_at = max(?, 1 + coalesce((SELECT max(sent_at) FROM recall WHERE sent_at IS NOT NULL), 0))"
        " WHERE id = ? AND state = 'waiting' AND sent_at IS NULL AND (SELECT count(*) FROM recall"
        " WHERE sent_at IS NOT NULL AND state IN ('waiting', 'running')) < ?",
        (node.now(), ticket.id, _most(ticket)),
        expect=1,
        refusal="Handing a recall over was refused: somebody did, or workers have enough. It keeps its turn.",
    )
    args: dict[str, str | int] = {"origin": ticket.origin, "study_uid": ticket.study_uid, "ticket": ticket.id}
    if ticket.series_uid:
        args["series_uid"] = ticket.series_uid
    job = enqueue(
        JOB,
        args,
        key=f"recall/{ticket.id}",
        cause=Cause(node.new_id()),
        now=node.now(),
        queue=QUEUE,
        priority=ticket.priority,
    )
    return [handed, job]


def _sooner(node: Node, found: Ticket, *, who: str, asker: str, why: str, priority: int) -> Ticket:
    """Let a ticket that waits be hers who waits for it more than whom it was for."""
    if found.state != WAITING or found.priority <= priority:
        return found
    node.write(
        [
            Statement(
                "UPDATE recall SET priority = ?, who = ?, asker = ?, why = ? WHERE id = ? AND state = 'waiting'",
                (priority, who, asker, why, found.id),
            ),
            Statement(
                "UPDATE job SET priority = ? WHERE id = ? AND priority > ?",
                (priority, f"recall/{found.id}", priority),
            ),
        ]
    )
    return peek_open(node.database, found.key, series_uid=found.series_uid) or found


def _check_open(node: Node, asker: str) -> None:
    if not asker:
        return
    (row,) = node.database.read(
        "SELECT count(*) AS n FROM recall WHERE asker = ? AND state IN ('waiting', 'running')", (asker,)
    )
    if integer(row, "n") >= MOST_EACH:
        raise Conflict(
            f"Recalling the study was refused: {MOST_EACH} studies are on their way for you already."
            " Ask for more when some of them have come."
        )


def _asked(
    node: Node,
    key: StudyKey,
    *,
    who: str,
    asker: str,
    series_uid: str,
    why: str,
    priority: int,
    instances: int,
    size: int,
) -> Statement:
    return Statement(
        "INSERT INTO recall (id, origin, study_uid, who, why, priority, state, instances, bytes, at, asker, series_uid)"
        " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM recall WHERE origin = ?"
        " AND study_uid = ? AND state IN ('waiting', 'running') AND series_uid IN ('', ?))",
        (
            node.new_id(), key.origin, key.study_uid, who, why, priority, WAITING, instances, size, node.now(),
            asker, series_uid, key.origin, key.study_uid, series_uid,
        ),
        expect=1,
        refusal="Recalling the study was refused: somebody asked for it meanwhile. Load it again.",
    )  # fmt: skip
