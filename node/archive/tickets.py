"""Recalls as people see them: a study asked back from the archive, its place among those that wait, and how long it takes.

Asking writes a ticket and its job in one batch. Whoever carries it out writes how far it has come; here that is only read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from node.archive.archiving import QUEUE
from node.catalogue.search import get_study
from node.clock import SECOND, Micros
from node.database.port import Database, Statement, integer, read_as, text
from node.errors import Conflict
from node.journal.jobs import enqueue
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from node.people.audit import Acting, record_act
from node.store.directory import ARCHIVED

JOB = "recall_study"
ASKED = "asked"
PRIORITY = 1
"""Of what a person waits for; archiving comes after it."""
WAITING, RUNNING, DONE = "waiting", "running", "done"
MEASURED = 20
"""Recalls that ended last; from them comes how long the next takes."""
MOST_OPEN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A row of table ``recall``; ``state`` is ``waiting``, ``running``, ``done`` or ``failed``."""

    id: str
    origin: NodeId
    study_uid: StudyUID
    who: str
    """A person, a program or an AE title; empty for the node itself."""
    why: str
    priority: int
    state: str
    instances: int
    done: int
    bytes: int
    words: str
    at: Micros
    began_at: Micros | None
    ended_at: Micros | None

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.origin, study_uid=self.study_uid)

    @property
    def is_open(self) -> bool:
        return self.state in (WAITING, RUNNING)

    @property
    def left_bytes(self) -> int:
        """What is still to come, as far as the instances say."""
        return self.bytes * max(0, self.instances - self.done) // max(1, self.instances)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How many wait before a ticket (0: it is running), and how long until it is done; None while nothing is measured."""

    position: int
    left: Micros | None


def ask_recall(node: Node, by: Acting, key: StudyKey, *, who: str, address: str = "") -> Ticket:
    """Ask for a study to be brought online; one that is asked for already keeps its ticket.

    Raises
    ------
    NotFound
        The study is not held here.
    Conflict
        All of it is online.
    """
    found = peek_open(node.database, key)
    if found is not None:
        return found
    get_study(node.database, key)
    instances, size = lies_away(node.database, key)
    if not instances:
        raise Conflict("Recalling the study was refused: all of it is online. Open it.")
    try:
        node.write(_asked(node, by, key, who=who, address=address, instances=instances, size=size))
    except Conflict:
        if peek_open(node.database, key) is None:
            raise
    again = peek_open(node.database, key)
    if again is None:
        raise Conflict("Recalling the study was refused: it came back meanwhile. Open it.")
    return again


def peek_open(database: Database, key: StudyKey) -> Ticket | None:
    """Give the ticket of a study that is being brought or waits for it."""
    rows = read_as(
        database,
        Ticket,
        "SELECT * FROM recall WHERE origin = ? AND study_uid = ? AND state IN ('waiting', 'running')"
        " ORDER BY state, priority, at, id LIMIT 1",
        (key.origin, key.study_uid),
    )
    return rows[0] if rows else None


def tickets_of(database: Database, key: StudyKey, *, limit: int = 20) -> list[Ticket]:
    """Give a study's tickets, the newest first."""
    sql = "SELECT * FROM recall WHERE origin = ? AND study_uid = ? ORDER BY id DESC LIMIT ?"
    return read_as(database, Ticket, sql, (key.origin, key.study_uid, limit))


def list_tickets(database: Database, *, limit: int, before: str = "") -> list[Ticket]:
    """Give a page of tickets: on the first one those that run, then those that wait in their turn; then the newest that ended.

    Parameters
    ----------
    before
        The id of the last one of the page before; empty for the first page.
    """
    ended = read_as(
        database,
        Ticket,
        "SELECT * FROM recall WHERE state NOT IN ('waiting', 'running') AND (? = '' OR id < ?) ORDER BY id DESC LIMIT ?",
        (before, before, limit),
    )
    return ended if before else [*open_tickets(database), *ended]


def open_tickets(database: Database) -> list[Ticket]:
    """Give those that run, then those that wait in the order in which they are brought."""
    return read_as(
        database,
        Ticket,
        "SELECT * FROM recall WHERE state IN ('waiting', 'running') ORDER BY state, priority, at, id LIMIT ?",
        (MOST_OPEN,),
    )


def count_open(database: Database) -> Mapping[str, int]:
    """Count the tickets that run and that wait."""
    rows = database.read(
        "SELECT state, count(*) AS n FROM recall WHERE state IN ('waiting', 'running') GROUP BY state"
    )
    return {text(row, "state"): integer(row, "n") for row in rows}


def measured_rate(database: Database) -> float | None:
    """Give bytes a second over the recalls that ended last; None before there were any."""
    (row,) = database.read(
        "SELECT sum(bytes) AS bytes, sum(ended_at - began_at) AS took FROM (SELECT bytes, ended_at, began_at FROM recall"
        f" WHERE state = '{DONE}' AND began_at IS NOT NULL AND ended_at > began_at ORDER BY id DESC LIMIT {MEASURED})"
    )
    took = integer(row, "took")
    return integer(row, "bytes") * SECOND / took if took and integer(row, "bytes") else None


def estimates(opened: Sequence[Ticket], rate: float | None) -> Mapping[str, Estimate]:
    """Say of each open ticket how long it takes, by id; one after the other, as if nothing were asked for before them.

    Parameters
    ----------
    opened
        As `open_tickets` gives them.
    rate
        Bytes a second, of `measured_rate`.
    """
    found, ahead, position = dict[str, Estimate](), 0, 0
    for ticket in opened:
        ahead += ticket.left_bytes
        position += ticket.state == WAITING
        left = None if rate is None else int(ahead * SECOND / rate)
        found[ticket.id] = Estimate(position=position if ticket.state == WAITING else 0, left=left)
    return found


def lies_away(database: Database, key: StudyKey) -> tuple[int, int]:
    """Count the instances of a study that lie in the archive alone, and their bytes."""
    (row,) = database.read(
        "SELECT count(*) AS n, sum(data_bytes) AS bytes FROM instance WHERE origin = ? AND study_uid = ? AND pack LIKE ?",
        (key.origin, key.study_uid, f"{ARCHIVED}-%"),
    )
    return integer(row, "n"), integer(row, "bytes")


def _asked(
    node: Node, by: Acting, key: StudyKey, *, who: str, address: str, instances: int, size: int
) -> list[Statement]:
    ticket, now = node.new_id(), node.now()
    row = Statement(
        "INSERT INTO recall (id, origin, study_uid, who, why, priority, state, instances, bytes, at)"
        " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM recall WHERE origin = ? AND study_uid = ?"
        " AND state IN ('waiting', 'running'))",
        (
            ticket, key.origin, key.study_uid, who, ASKED, PRIORITY, WAITING, instances, size, now,
            key.origin, key.study_uid,
        ),
        expect=1,
        refusal="Recalling the study was refused: somebody asked for it meanwhile. Load it again.",
    )  # fmt: skip
    job = enqueue(
        JOB,
        {"origin": key.origin, "study_uid": key.study_uid, "ticket": ticket},
        key=f"recall/{ticket}",
        cause=Cause(node.new_id()),
        now=now,
        queue=QUEUE,
        priority=PRIORITY,
    )
    return [row, job, record_act(node, by, act="recall-study", subject=key.subject, address=address)]
