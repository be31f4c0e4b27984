"""Recalls as people see them: a study asked back from the archive, its place among those that wait, and how long it takes.

Asking is `asking`'s. Whoever carries it out says here how it began and ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from node.archive.recall.turns import in_turn
from node.clock import SECOND, Micros
from node.database.port import Database, Statement, integer, read_as, text
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from node.store.directory import ARCHIVED

WAITING, RUNNING, DONE = "waiting", "running", "done"
MEASURED = 20
"""Recalls that ended last; from them comes how long the next takes."""
MOST_OPEN = 500
"""Shown at once."""
MOST_WAITING = 10_000
"""Put in order at once; what waits behind so many is a later look's."""


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
    series_uid: str = ""
    """Of a recall of one series; empty: of all."""
    asker: str = ""
    """Who it is for, by id; empty for the node itself."""
    sent_at: Micros | None = None
    """When it was handed to a worker."""

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


def peek_open(database: Database, key: StudyKey, *, series_uid: str = "") -> Ticket | None:
    """Give the ticket of a study, or of a series of it, that is being brought or waits for it."""
    rows = read_as(
        database,
        Ticket,
        "SELECT * FROM recall WHERE origin = ? AND study_uid = ? AND state IN ('waiting', 'running')"
        " AND series_uid IN ('', ?) ORDER BY state, priority, at, id LIMIT 1",
        (key.origin, key.study_uid, series_uid),
    )
    return rows[0] if rows else None


def tickets_of(database: Database, key: StudyKey, *, limit: int = 20) -> list[Ticket]:
    """Give a study's tickets, the newest first."""
    sql = "SELECT * FROM recall WHERE origin = ? AND study_uid = ? ORDER BY id DESC LIMIT ?"
    return read_as(database, Ticket, sql, (key.origin, key.study_uid, limit))


def tickets_for(database: Database, asker: str, *, since: Micros) -> list[Ticket]:
    """Give what one who asks has open, and what ended since for her; the newest first."""
    sql = (
        "SELECT * FROM recall WHERE asker = ? AND (state IN ('waiting', 'running') OR ended_at >= ?)"
        " ORDER BY id DESC LIMIT ?"
    )
    return read_as(database, Ticket, sql, (asker, since, MOST_OPEN))


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
    begun = read_as(
        database,
        Ticket,
        "SELECT * FROM recall WHERE state = 'running' OR (state = 'waiting' AND sent_at IS NOT NULL)"
        " ORDER BY state, sent_at, at, id LIMIT ?",
        (MOST_OPEN,),
    )
    return [*begun, *waiting_tickets(database)][:MOST_OPEN]


def waiting_tickets(database: Database) -> list[Ticket]:
    """Give those that no worker has yet, in their turn."""
    waiting = read_as(
        database,
        Ticket,
        "SELECT * FROM recall WHERE state = 'waiting' AND sent_at IS NULL ORDER BY priority, at, id LIMIT ?",
        (MOST_WAITING,),
    )
    served = database.read(
        "SELECT asker, (SELECT max(sent_at) FROM recall AS sent WHERE sent.asker = waits.asker) AS at FROM"
        " (SELECT DISTINCT asker FROM recall WHERE state = 'waiting' AND sent_at IS NULL) AS waits"
    )
    last = {text(row, "asker"): integer(row, "at") for row in served if row["at"] is not None}
    return in_turn(waiting, last)


def count_open(database: Database) -> Mapping[str, int]:
    """Count the tickets that run and that wait."""
    rows = database.read(
        "SELECT state, count(*) AS n FROM recall WHERE state IN ('waiting', 'running') GROUP BY state"
    )
    return {text(row, "state"): integer(row, "n") for row in rows}


def coming_bytes(database: Database) -> int:
    """Give how much is on its way back, of tickets that run and that wait."""
    (row,) = database.read(
        "SELECT coalesce(sum(bytes), 0) AS bytes FROM recall WHERE state IN ('waiting', 'running')"
    )
    return integer(row, "bytes")


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


def lies_away(database: Database, key: StudyKey, *, series_uid: str = "") -> tuple[int, int]:
    """Count the instances of a study, or of a series, that lie in the archive alone, and their bytes."""
    (row,) = database.read(
        "SELECT count(*) AS n, sum(data_bytes) AS bytes FROM instance WHERE origin = ? AND study_uid = ? AND pack LIKE ?"
        " AND (? = '' OR series_uid = ?)",
        (key.origin, key.study_uid, f"{ARCHIVED}-%", series_uid, series_uid),
    )
    return integer(row, "n"), integer(row, "bytes")


def begin_ticket(
    node: Node, key: StudyKey, *, ticket: str, who: str, why: str, instances: int, size: int, series_uid: str
) -> str:
    """Open a ticket, or go on with one that waits; give its id."""
    opened, now = ticket or node.new_id(), node.now()
    node.write(
        [
            Statement(
                "INSERT INTO recall (id, origin, study_uid, who, why, priority, state, instances, bytes, at, began_at,"
                " series_uid) VALUES (?, ?, ?, ?, ?, 0, 'running', ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " state = 'running', instances = excluded.instances, bytes = excluded.bytes, began_at = excluded.began_at",
                (opened, key.origin, key.study_uid, who, why, instances, size, now, now, series_uid),
            )
        ]
    )
    return opened


def end_ticket(node: Node, ticket: str, *, state: str, words: str) -> None:
    """Say how a recall ended."""
    node.write(
        [
            Statement(
                "UPDATE recall SET state = ?, words = ?, ended_at = ?, done = CASE ? WHEN 'done' THEN instances ELSE done END"
                " WHERE id = ?",
                (state, words, node.now(), state, ticket),
            )
        ]
    )
