"""What the journal asks of consult: home hears of new images, a newcomer of the pools here.

Run by `actors.consult`. The cursor moves in the batch of what a record led to;
it lags behind records that led to nothing, which are read once more after a restart.
"""

from __future__ import annotations

from collections.abc import Sequence

from federation.consult import requests
from federation.consult.asking import ask_home
from federation.consult.clinic import ClinicCase, follow, load_clinic
from federation.consult.messages import CaseAmended
from federation.consult.opening import reports_in
from federation.consult.pools import own_pools, publish_pools
from federation.consult.requests import ReportReturned
from federation.membership import RosterExtended
from federation.roster import Roster
from node.database.port import Statement, text
from node.events import StudyChanged, StudyCompleted, decode
from node.failpoints import failpoint
from node.journal.cursors import advance, position
from node.journal.records import Record
from node.names import NodeId, StudyKey, study_of
from node.node import Node

READER = "consult"
RECORDS = 500
UNWRITTEN = 2_000
"""Records without consequence that the cursor may lag behind what was read."""
Followed = StudyChanged | StudyCompleted | RosterExtended | ReportReturned
FOLLOWED: tuple[type[Followed], ...] = (StudyChanged, StudyCompleted, RosterExtended, ReportReturned)


def follow_journal(node: Node, seen: int) -> int:
    """Do what new records ask for; gives how far it has read, which is not a fact and may be lost.

    Two followers are safe: the slower one's batch finds the cursor moved and raises `Conflict`.
    """
    before = position(node.database, READER)
    seen = max(seen, before)
    for record in node.journal.since(seen, limit=RECORDS):
        statements = _news(node, record)
        if statements or record.seq - before > UNWRITTEN:
            node.write([*statements, advance(READER, before=before, after=record.seq)])
            before = record.seq
        seen = record.seq
    return seen


def _news(node: Node, record: Record) -> list[Statement]:
    match decode(FOLLOWED, record.type, record.body):
        case StudyChanged() as event if event.door != "report":
            key = study_of(record.subject)
            images = event.total - reports_in(node.database, key)
            return _note_change(node, key, requests.NoteImages(instances=images))
        case StudyCompleted() as event:
            key = study_of(record.subject)
            images = event.instances - reports_in(node.database, key)
            return _note_change(node, key, requests.NoteCompletion(instances=images))
        case RosterExtended() as event:
            return _greet(node, event)
        case ReportReturned():
            failpoint("returned")
            return []
        case _:
            return []


def _greet(node: Node, event: RosterExtended) -> list[Statement]:
    """Tell a node that has come into the alliance of the pools here."""
    entry = Roster.load(node.database).peek(NodeId(event.node))
    if entry is None or entry.revoked or entry.node == node.id or not own_pools(node):
        return []
    return publish_pools(node, entry.node)


def _note_change(node: Node, key: StudyKey, command: requests.Command) -> list[Statement]:
    """Give the statements that tell the homes of a study's cases that it changed or completed."""
    if key.origin != node.id:
        return []
    return [statement for case_id in _open_cases(node, key) for statement in _amend(node, case_id, command)]


def _amend(node: Node, case_id: str, command: requests.Command) -> list[Statement]:
    case = load_clinic(node, case_id)
    events = requests.decide(case.state, command, node.now())
    if not events:
        return []
    after, followed = follow(node, case, events)
    return [*followed, *_tell(node, after, events)]


def _tell(node: Node, case: ClinicCase, events: Sequence[requests.RequestEvent]) -> list[Statement]:
    return [
        statement
        for event in events
        if isinstance(event, requests.AmendmentSent)
        for statement in ask_home(
            node,
            case,
            CaseAmended(
                case_id=case.case_id,
                n=event.n,
                instances=event.instances,
                complete=event.complete,
                at=node.now(),
            ),
        )
    ]


def _open_cases(node: Node, key: StudyKey) -> list[str]:
    rows = node.database.read(
        "SELECT case_id FROM consult_case WHERE clinic = ? AND origin = ? AND study_uid = ?"
        " AND state IN ('requested', 'offered', 'claimed', 'signed') ORDER BY case_id",
        (node.id, key.origin, key.study_uid),
    )
    return [text(row, "case_id") for row in rows]
