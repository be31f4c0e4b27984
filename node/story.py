"""A study's journey on this node as dated facts: what happened, when, by whom, how large.

Reads the journal by the study's subjects and cause, and the rows that say what
events do not: when bytes came in, were sealed, acknowledged, delivered. What
another node did comes back as dated facts of the case; they name that node.
Whether somebody may hear the story is decided before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from node.canonical import Json
from node.clock import Micros
from node.database.port import Row, integer, text
from node.journal.records import Record
from node.names import Cause, StudyKey, Subject
from node.node import Node

Detail = dict[str, Json]
_NAMES = {
    "study-announced": "announced",
    "study-completed": "completed",
    "study-deleted": "deleted",
    "instance-conflict-found": "conflict",
    "patient-conflict-found": "conflict",
    "corrections-told": "corrected",
    "cancel-asked": "cancel-asked",
    "amendment-sent": "amended",
    "report-reviewed": "reviewed",
    "case-offered": "offered",
    "case-claimed": "claimed",
    "claim-released": "released",
    "claim-lapsed": "lapsed",
    "case-read": "read",
    "case-declined": "declined",
    "case-cancelled": "cancelled",
    "cancel-came-late": "cancel-came-late",
    "amendment-accepted": "amendment-accepted",
    "deadline-passed": "overdue",
    "case-signed": "signed",
    "case-resumed": "resumed",
    "study-moved": "moved",
    "study-corrected": "corrected",
    "series-corrected": "corrected",
    "instances-rejected": "rejected",
    "content-chosen": "chosen",
    "study-archived": "archived",
    "study-expired": "expired",
    "study-recalled": "recalled",
    "corrections-doubted": "doubted",
    "corrections-settled": "settled",
}
"""What the story calls an event; one that is not here is told by a row instead."""
_ORDER = (
    "received",
    "announced",
    "fetched",
    "registered",
    "completed",
    "requested",
    "sealed",
    "deposited",
    "delivered",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryFact:
    """One thing that happened."""

    at: Micros
    node: str
    """Where it happened."""
    what: str
    """``received``, ``registered``, ``completed``, ``sealed``, ``delivered``, ``requested``, ``claimed``, ..."""
    who: str
    """A device, a peer or a person's name; empty when the node acted by itself."""
    detail: Detail = field(default_factory=dict)
    bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The facts, oldest first, and the one cause that they share."""

    cause: Cause
    facts: tuple[StoryFact, ...]


def tell_story(node: Node, key: StudyKey) -> Story:
    """Give what this node knows of a study's journey; empty when it knows nothing of it."""
    cases = node.database.read(
        "SELECT case_id, clinic, home, pool, kind, urgency, requested_at, requested_by, returned_at, report_id"
        " FROM consult_case WHERE origin = ? AND study_uid = ? ORDER BY requested_at",
        (key.origin, key.study_uid),
    )
    rows = node.database.read(
        "SELECT cause FROM study WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )
    registered = list(_registered(node, node.journal.of(key.subject)))
    facts = [
        *_received(node, key, registered),
        *registered,
        *_withheld(node, key),
        *_parts(node, key),
        *_acknowledged(node, key),
        *(fact for case in cases for fact in _case(node, case)),
        *_deliveries(node, key),
        *_transfers(node, key),
    ]
    ordered = sorted(facts, key=lambda fact: (fact.at, _place(fact.what)))
    return Story(cause=Cause(text(rows[0], "cause") if rows else ""), facts=tuple(ordered))


def _received(node: Node, key: StudyKey, registered: list[StoryFact]) -> Iterator[StoryFact]:
    """Say when bytes came in, one fact for each pack: one association or part, or several that were merged since.

    Rows do not name the device; it is told where only one came by that door. What came from a
    peer keeps the time of its first receipt there; when it came here is told by its parts.
    """
    rows = node.database.read(
        "SELECT door, min(received_at) AS first, max(received_at) AS last, count(*) AS instances,"
        " sum(data_bytes) AS bytes FROM instance WHERE origin = ? AND study_uid = ? AND door <> 'peer' GROUP BY pack, door",
        (key.origin, key.study_uid),
    )
    for row in rows:
        senders = {fact.who for fact in registered if fact.detail.get("door") == row["door"]}
        yield StoryFact(
            at=integer(row, "first"),
            node=node.id,
            what="received",
            who=senders.pop() if len(senders) == 1 else "",
            detail={
                "door": text(row, "door"),
                "instances": integer(row, "instances"),
                "until": integer(row, "last"),
            },
            bytes=integer(row, "bytes"),
        )


def _registered(node: Node, records: list[Record]) -> Iterator[StoryFact]:
    """Tell the study's own events; batches of one device that follow each other are one fact."""
    run: StoryFact | None = None
    for record in records:
        body = _body(record.body)
        name = record.type.partition("/")[0]
        if name in ("study-restated", "correction-undone"):
            yield _corrected(node, record, body)
        elif name != "study-changed":
            if name in _NAMES:
                who = str(body.pop("peer", "") or body.pop("by", "") or body.pop("approved_by", ""))
                yield StoryFact(at=record.at, node=node.id, what=_NAMES[name], who=who, detail=body)
            continue
        batch = StoryFact(
            at=record.at,
            node=node.id,
            what="registered",
            who=str(body.get("device", "")),
            detail={
                "door": body.get("door"),
                "instances": body.get("instances"),
                "total": body.get("total"),
                "since": record.at,
            },
            bytes=_number(body, "bytes"),
        )
        if run is not None and (run.who, run.detail["door"]) != (batch.who, batch.detail["door"]):
            yield run
            run = None
        run = batch if run is None else _joined(run, batch)
    if run is not None:
        yield run


def _corrected(node: Node, record: Record, body: Detail) -> StoryFact:
    """Tell a correction of the patient, or one that was taken back."""
    undone = record.type.startswith("correction-undone/") or bool(body.get("undone"))
    plain = {"merge": "merged", "patient": "corrected"}.get(str(body.get("kind")), "corrected")
    undoing = {"merge": "unmerged", "reject": "restored", "note": "restored"}.get(
        str(body.get("kind")), "undone"
    )
    return StoryFact(
        at=record.at,
        node=node.id,
        what=undoing if undone else plain,
        who=str(body.pop("by", "")),
        detail={name: body[name] for name in ("correction", "kind") if name in body},
    )


def _joined(run: StoryFact, batch: StoryFact) -> StoryFact:
    instances = _number(run.detail, "instances") + _number(batch.detail, "instances")
    return StoryFact(
        at=batch.at,
        node=run.node,
        what=run.what,
        who=run.who,
        detail={**batch.detail, "instances": instances, "since": run.detail["since"]},
        bytes=(run.bytes or 0) + (batch.bytes or 0),
    )


def _withheld(node: Node, key: StudyKey) -> Iterator[StoryFact]:
    """Say to which peers the study does not go, and why."""
    rows = node.database.read(
        "SELECT peer, reason, at FROM decision WHERE origin = ? AND study_uid = ?"
        " AND outcome IN ('nothing', 'blocked')",
        (key.origin, key.study_uid),
    )
    for row in rows:
        yield StoryFact(
            at=integer(row, "at"),
            node=node.id,
            what="withheld",
            who=text(row, "peer"),
            detail={"reason": text(row, "reason")},
        )


def _parts(node: Node, key: StudyKey) -> Iterator[StoryFact]:
    rows = node.database.read(
        "SELECT peer, k, direction, bytes, instances, state, at FROM part WHERE origin = ? AND study_uid = ?",
        (key.origin, key.study_uid),
    )
    for row in rows:
        out = text(row, "direction") == "out"
        yield StoryFact(
            at=integer(row, "at"),
            node=node.id,
            what="sealed" if out else "fetched",
            who=text(row, "peer"),
            detail={
                "part": integer(row, "k"),
                "instances": integer(row, "instances"),
                "state": text(row, "state"),
            },
            bytes=integer(row, "bytes"),
        )


def _acknowledged(node: Node, key: StudyKey) -> Iterator[StoryFact]:
    """Say which messages about the study lie at a peer's mailbox, and which the peer has applied."""
    rows = node.database.read(
        "SELECT outbox.peer, outbox.type, outbox.message, outbox.deposited_at, outbox.received_at FROM outbox"
        " WHERE outbox.deposited_at IS NOT NULL AND outbox.cause IN"
        " (SELECT cause FROM study WHERE origin = ? AND study_uid = ?"
        " UNION SELECT cause FROM consult_case WHERE origin = ? AND study_uid = ?"
        " UNION SELECT cause FROM part WHERE origin = ? AND study_uid = ?)",
        (key.origin, key.study_uid) * 3,
    )
    for row in rows:
        message = _body(text(row, "message"))
        if message.get("study_uid", key.study_uid) != key.study_uid:
            continue  # one association may have brought several studies
        arrived = row["received_at"] is not None
        detail: Detail = {
            "message": text(row, "type").partition("/")[0],
            "deposited": integer(row, "deposited_at"),
        }
        if "k" in message:
            detail["part"] = message["k"]
        if message.get("report"):
            detail["report"] = True
        yield StoryFact(
            at=integer(row, "received_at" if arrived else "deposited_at"),
            node=node.id,
            what="delivered" if arrived else "deposited",
            who=text(row, "peer"),
            detail=detail,
            bytes=_number(message, "bytes") if "k" in message else None,
        )


def _case(node: Node, case: Row) -> Iterator[StoryFact]:
    """Tell a case: the request, what its home says happened there, and the report's return."""
    case_id, clinic = text(case, "case_id"), text(case, "clinic")
    about: Detail = {"case": case_id}
    yield StoryFact(
        at=integer(case, "requested_at"),
        node=clinic,
        what="requested",
        who=text(case, "requested_by"),
        detail={
            **about,
            "pool": text(case, "pool"),
            "kind": text(case, "kind"),
            "urgency": text(case, "urgency"),
        },
    )
    facts = node.database.read(
        "SELECT at, node, type, body FROM case_fact WHERE case_id = ? ORDER BY n", (case_id,)
    )
    for fact in facts:
        name = text(fact, "type").partition("/")[0]
        body = _body(text(fact, "body"))
        who = str(body.pop("by", ""))
        yield StoryFact(
            at=integer(fact, "at"),
            node=text(fact, "node"),
            what=_NAMES.get(name, name),
            who=who,
            detail={**about, **body},
        )
    for record in node.journal.of(Subject(f"request/{case_id}")):
        name = record.type.partition("/")[0]
        if name in _NAMES:
            body = _body(record.body)
            told: Detail = {name: body[name] for name in ("n", "instances", "complete") if name in body}
            yield StoryFact(
                at=record.at,
                node=clinic,
                what=_NAMES[name],
                who=str(body.get("by", "")),
                detail={**about, **told},
            )
    if case["returned_at"] is not None:
        yield StoryFact(
            at=integer(case, "returned_at"),
            node=clinic,
            what="returned",
            who=text(case, "home"),
            detail={**about, "report": text(case, "report_id")},
        )


def _deliveries(node: Node, key: StudyKey) -> Iterator[StoryFact]:
    rows = node.database.read(
        "SELECT delivery.kind, delivery.attempts, delivery.delivered_at, remote.name, report.report_id"
        " FROM delivery JOIN report ON report.report_id = delivery.report_id"
        " LEFT JOIN remote ON remote.id = delivery.destination"
        " WHERE report.origin = ? AND report.study_uid = ? AND delivery.delivered_at IS NOT NULL",
        (key.origin, key.study_uid),
    )
    for row in rows:
        yield StoryFact(
            at=integer(row, "delivered_at"),
            node=node.id,
            what="stored",
            who=text(row, "name"),
            detail={
                "report": text(row, "report_id"),
                "kind": text(row, "kind"),
                "attempts": integer(row, "attempts"),
            },
        )


def _transfers(node: Node, key: StudyKey) -> Iterator[StoryFact]:
    """Say to and from which remote AEs the study went, and what did not; rows of transfers live a month."""
    rows = node.database.read(
        "SELECT kind, remote_name, by_name, state, done, failed, bytes, ended_at FROM transfer"
        " WHERE origin = ? AND study_uid = ? AND ended_at IS NOT NULL",
        (key.origin, key.study_uid),
    )
    for row in rows:
        went = "sent" if row["kind"] == "send" else "retrieved"
        yield StoryFact(
            at=integer(row, "ended_at"),
            node=node.id,
            what=went if row["state"] == "done" else f"not-{went}",
            who=text(row, "remote_name"),
            detail={
                "by": text(row, "by_name"),
                "instances": integer(row, "done"),
                "failed": integer(row, "failed"),
            },
            bytes=integer(row, "bytes"),
        )


def _body(json: str) -> Detail:
    body: Detail = msgspec.json.decode(json.encode(), type=dict)
    return body


def _number(body: Detail, name: str) -> int:
    value = body.get(name)
    return value if isinstance(value, int) else 0


def _place(what: str) -> int:
    """Order what happened in the same microsecond as it must have happened."""
    return _ORDER.index(what) if what in _ORDER else len(_ORDER)
