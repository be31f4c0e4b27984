"""Sending a signed report's SR to the clinic's own PACS, until it has it.

The row is the truth: how often it was tried, what was said, when it is tried
next. A job that comes before that time does nothing, since another was asked for.
Sending the same SR twice is harmless: it is the same instance.

Source: DICOM PS3.4 Annex B (Storage), B.2.3 (statuses).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from node.catalogue.exits import corrected_file
from node.clock import MINUTE, SECOND, Micros
from node.database.port import Database, Statement, read_as
from node.dimse.calling import called
from node.dimse.outgoing import outgoing_file
from node.dimse.remote_form import Remote
from node.dimse.remotes import get_remote, peek_remote_by_id
from node.dimse.store_scu import Sent, store
from node.errors import Conflict, GridError, NotFound, Refused
from node.events import Event
from node.failpoints import failpoint
from node.journal.jobs import enqueue
from node.names import Cause, NodeId, StudyKey, StudyUID, Subject
from node.node import Node
from node.people.audit import Acting, record_act
from node.reporting.document import keep_sr
from node.reporting.reports import get_report

BACK_OFF: tuple[Micros, ...] = (
    5 * SECOND,
    30 * SECOND,
    2 * MINUTE,
    10 * MINUTE,
    60 * MINUTE,
    6 * 60 * MINUTE,
)
"""Wait after the first, second, ... failure; the last one repeats."""
TOLD_AFTER = 4
"""The administrator is told at this failure, about three minutes after the first."""
ATTEMPTS = 120
"""About a month; then a person must ask for it."""
_COLUMNS = (
    "delivery.id, report_id, destination, coalesce(remote.name, '') AS destination_name, kind, state,"
    " attempts, next_at, last_error, delivered_at, cause"
)
_FROM = "FROM delivery LEFT JOIN remote ON remote.id = delivery.destination"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One report to one destination."""

    id: str
    report_id: str
    destination: str
    destination_name: str
    """Empty when it was removed."""
    kind: str
    state: str
    """``waiting``, ``delivered``, ``failing`` or ``given-up``."""
    attempts: int
    next_at: Micros
    last_error: str
    delivered_at: Micros | None
    cause: Cause

    @property
    def subject(self) -> Subject:
        return Subject(f"delivery/{self.id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDelivered(Event):
    """A destination has the report. Subject ``delivery/ID``."""

    report_id: str
    destination: str
    aet: str
    attempts: int
    bytes: int


def list_deliveries(database: Database, *, report_id: str | None = None, limit: int = 200) -> list[Delivery]:
    """Give the newest deliveries, those that need somebody first; or those of one report."""
    return read_as(
        database,
        Delivery,
        f"SELECT {_COLUMNS} {_FROM} WHERE (? IS NULL OR report_id = ?)"
        " ORDER BY state NOT IN ('failing', 'given-up'), next_at DESC, delivery.id LIMIT ?",
        (report_id, report_id, limit),
    )


def get_delivery(database: Database, id_: str) -> Delivery:
    """Give one delivery.

    Raises
    ------
    NotFound
        There is none here.
    """
    rows = read_as(database, Delivery, f"SELECT {_COLUMNS} {_FROM} WHERE delivery.id = ?", (id_,))
    if not rows:
        raise NotFound("Reading the delivery failed: it is not here. Load the list again.")
    return rows[0]


def send_by_cstore(node: Node, destination: Remote, sr: bytes) -> None:
    """Send an SR to a storage SCP, its texts in the character set that it reads.

    Raises
    ------
    Unavailable
        It cannot be reached, or did not answer.
    Refused
        It answered, and has not stored it. What it commented is left out: that may name the patient.
    """
    sent: list[Sent] = []

    def keep(one: Sent) -> bool:
        sent.append(one)
        return True

    store(
        called(node.config, destination),
        [outgoing_file(sr)],
        directory=node.state,
        charset=destination.charset,
        told=keep,
    )
    if not sent[0].is_stored:
        raise Refused(
            f"Sending the report to {destination.aet} was refused: {sent[0].words}."
            " Check its settings; it is tried again."
        )


Send = Callable[[Node, Remote, bytes], None]


def deliver(node: Node, delivery_id: str, send: Send = send_by_cstore) -> None:
    """Send one report to one destination, and write down how it went.

    Raises
    ------
    NotFound
        The delivery, its report or its words are not here.
    """
    delivery = get_delivery(node.database, delivery_id)
    if delivery.state not in ("waiting", "failing") or node.now() < delivery.next_at:
        return
    destination = peek_remote_by_id(node.database, delivery.destination)
    if destination is None or not (destination.enabled and destination.reports):
        _fail(
            node, delivery, "Sending the report was put off: its destination is switched off. Switch it on."
        )
        return
    report = get_report(node.database, delivery.report_id)
    key = StudyKey(origin=NodeId(report.origin), study_uid=StudyUID(report.study_uid))
    sr = corrected_file(node, key, series_uid=report.sr_series_uid, file=keep_sr(node, report).part10)
    try:
        send(node, destination, sr)
    except GridError as error:
        _fail(node, delivery, error.message)
        return
    failpoint("pacs")
    _succeed(node, delivery, destination, size_bytes=len(sr))


def retry_delivery(node: Node, delivery_id: str, by: Acting | None = None, *, address: str = "") -> None:
    """Send a report again now, whatever became of it before."""
    delivery = get_delivery(node.database, delivery_id)
    get_remote(node.database, delivery.destination)
    now = node.now()
    ask = Statement(
        "UPDATE delivery SET state = 'waiting', next_at = ? WHERE id = ? AND state = ? AND attempts = ?",
        (now, delivery.id, delivery.state, delivery.attempts),
        expect=1,
        refusal="Sending the report again was refused: it was just tried. Load the list again.",
    )
    job = enqueue(
        "deliver",
        {"delivery_id": delivery.id},
        key=f"deliver/{delivery.id}/{node.new_id()}",
        cause=delivery.cause,
        now=now,
    )
    node.write(
        [ask, job, record_act(node, by, act="retry-delivery", subject=delivery.subject, address=address)]
    )


def _succeed(node: Node, delivery: Delivery, destination: Remote, *, size_bytes: int) -> None:
    attempts = delivery.attempts + 1
    event = ReportDelivered(
        report_id=delivery.report_id,
        destination=destination.name,
        aet=destination.aet,
        attempts=attempts,
        bytes=size_bytes,
    )
    after, now = node.journal.version(delivery.subject), node.now()
    _settle(
        node,
        delivery,
        [
            put_delivered(delivery, event, at=now),
            *node.journal.append(delivery.subject, [event], after=after, cause=delivery.cause, at=now),
        ],
    )


def put_delivered(delivery: Delivery, event: ReportDelivered, *, at: Micros) -> Statement:
    """Give the statement for what the event means, if the row is as it was seen."""
    return Statement(
        "UPDATE delivery SET state = 'delivered', attempts = ?, last_error = '', delivered_at = ?"
        " WHERE id = ? AND attempts = ? AND next_at = ? AND state IN ('waiting', 'failing')",
        (event.attempts, at, delivery.id, delivery.attempts, delivery.next_at),
        expect=1,
    )


def give_up_lost(delivery: Delivery) -> Statement:
    """Give the statement that gives up a delivery of which nobody knows any more where that was to go."""
    return Statement(
        "UPDATE delivery SET state = 'given-up', last_error = ? WHERE id = ? AND state = 'waiting'",
        (
            "Sending the report was given up: its destination went with the database. Add it again, and send the study there.",
            delivery.id,
        ),
    )


def _fail(node: Node, delivery: Delivery, error: str) -> None:
    """Write a failure down, and ask for the next attempt in the same batch."""
    attempts = delivery.attempts + 1
    given_up = attempts >= ATTEMPTS
    next_at = node.now() + BACK_OFF[min(attempts, len(BACK_OFF)) - 1]
    statements = [
        Statement(
            "UPDATE delivery SET state = ?, attempts = ?, next_at = ?, last_error = ?"
            " WHERE id = ? AND attempts = ? AND next_at = ? AND state IN ('waiting', 'failing')",
            (
                "given-up" if given_up else "failing",
                attempts,
                next_at,
                error,
                delivery.id,
                delivery.attempts,
                delivery.next_at,
            ),
            expect=1,
        )
    ]
    if not given_up:
        statements.append(
            enqueue(
                "deliver",
                {"delivery_id": delivery.id},
                key=f"deliver/{delivery.id}/{attempts}",
                cause=delivery.cause,
                now=node.now(),
                not_before=next_at,
            )
        )
    if attempts == TOLD_AFTER or given_up:
        statements += node.problem("delivery", about=delivery.subject, detail=error, cause=delivery.cause)
    _settle(node, delivery, statements)


def _settle(node: Node, delivery: Delivery, statements: list[Statement]) -> None:
    """Write an outcome, unless somebody asked to send again meanwhile: then that attempt counts."""
    try:
        node.write(statements)
    except Conflict:
        if get_delivery(node.database, delivery.id) == delivery:
            raise
