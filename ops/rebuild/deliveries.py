"""Reports' way to the clinic's PACS after a rebuild: what arrived is an event; what did not is tried again, or given up with a word.

How often it was tried and when next stood in the row alone; an old database's row is taken where it has one.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.database.port import Statement, read_as, text
from node.database.salvage import OldDatabase
from node.dimse.remotes import list_remotes, peek_remote_by_id
from node.errors import GridError, NotFound
from node.events import decode, event_types
from node.failpoints import planted
from node.journal.records import Record
from node.names import Cause
from node.node import Node
from node.reporting.delivery import (
    ReportDelivered,
    get_delivery,
    give_up_lost,
    put_delivered,
)
from node.reporting.document import ask_delivery, delivery_id, insert_delivery
from node.reporting.reports import ask_documents, get_report

_PAGE = 200
_OLD = (
    "INSERT OR REPLACE INTO delivery (id, report_id, destination, kind, state, attempts, next_at, last_error,"
    " delivered_at, cause) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM report WHERE report_id = ?)"
)


def write_deliveries(node: Node, old: OldDatabase | None) -> None:
    """Write what became of each delivery, and ask for what is still to be done."""
    for page in _delivered(node):
        statements = [one for record in page if (one := _arrived(node, record)) is not None]
        if statements and not planted("rebuild-sends-again"):
            node.database.write(statements, node.new_id())
    known = _progress(node, old) if old is not None else set[str]()
    for row in node.database.read("SELECT id FROM delivery WHERE state = 'waiting' ORDER BY id"):
        if text(row, "id") not in known:
            waits = get_delivery(node.database, text(row, "id"))
            there = peek_remote_by_id(node.database, waits.destination)
            ask = ask_delivery(waits.id, cause=waits.cause, now=node.now())
            node.database.write([give_up_lost(waits) if there is None else ask], node.new_id())
    for row in node.database.read("SELECT report_id, cause FROM report WHERE documents = 'waiting'"):
        job = ask_documents(text(row, "report_id"), cause=Cause(text(row, "cause")), now=node.now())
        node.database.write([job], node.new_id())


def _arrived(node: Node, record: Record) -> Statement | None:
    """Give the statement that says that a report has arrived; None when its study was deleted since."""
    event, id_ = decode((ReportDelivered,), record.type, record.body), record.subject.partition("/")[2]
    if event is None:
        return None
    try:
        report = get_report(node.database, event.report_id)
    except NotFound:
        return None
    try:
        delivery = get_delivery(node.database, id_)
    except NotFound:  # its documents' event does not say where they went: version 1
        to = (one.id for one in list_remotes(node.database) if delivery_id(report.report_id, one.id) == id_)
        row = insert_delivery(
            report.report_id, next(to, event.destination), at=record.at, cause=record.cause, id_=id_
        )
        node.database.write([row], node.new_id())
        delivery = get_delivery(node.database, id_)
    return put_delivered(delivery, event, at=record.at)


def _progress(node: Node, old: OldDatabase) -> set[str]:
    """Take over how far an old database was with what has not arrived; give the deliveries that it knows."""
    known = set[str]()
    for row in old.rows("delivery"):
        known.add(text(row, "id"))
        try:
            if get_delivery(node.database, text(row, "id")).state == "delivered":
                continue
        except NotFound:
            pass
        values = tuple(
            row[name]
            for name in (
                "id", "report_id", "destination", "kind", "state", "attempts", "next_at", "last_error",
                "delivered_at", "cause", "report_id",
            )
        )  # fmt: skip
        try:
            node.database.write([Statement(_OLD, values)], node.new_id())
        except GridError:
            continue  # a row that a damaged page altered
    return known


def _delivered(node: Node) -> Iterator[list[Record]]:
    """Give the newest record of each delivery that arrived, some at a time: a person may have had it sent again."""
    types = event_types(ReportDelivered)
    sql = (
        "SELECT seq, at, origin, type, subject, version, cause, body, digest FROM journal"
        f" WHERE type IN ({', '.join('?' * len(types))}) AND NOT EXISTS (SELECT 1 FROM journal AS later"
        " WHERE later.subject = journal.subject AND later.version > journal.version)"
        f" AND seq > ? ORDER BY seq LIMIT {_PAGE}"
    )
    seq = 0
    while page := read_as(node.database, Record, sql, (*types, seq)):
        yield page
        seq = page[-1].seq
