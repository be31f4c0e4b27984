"""What time and arriving images do to cases: claims lapse, deadlines pass, home hears of new images.

Each step is a command like a person's, run by `actors.consult`; due times are
rows, so nothing is lost with the actor.
"""

from __future__ import annotations

from collections.abc import Sequence

from federation.consult import cases, requests
from federation.consult.answering import tell_clinic
from federation.consult.asking import ask_home
from federation.consult.claims import due_claims
from federation.consult.clinic import ClinicCase, follow, load_clinic
from federation.consult.deciding import decide_and_write
from federation.consult.home import happen, load_home
from federation.consult.messages import CaseAmended
from node.clock import Micros
from node.database.port import Statement, integer, text
from node.events import StudyChanged, StudyCompleted, decode
from node.journal.records import Record
from node.names import StudyKey, study_of
from node.node import Node

FOLLOWED: tuple[type[StudyChanged | StudyCompleted], ...] = (StudyChanged, StudyCompleted)


def lapse_claims(node: Node) -> int:
    """End the claims whose time has passed; gives how many there were.

    One that is renewed or signed in this moment is left alone: its batch finds it changed.
    """
    due = due_claims(node.database, node.now())
    return sum(_home_step(node, claim.case_id, cases.Lapse(epoch=claim.epoch)) for claim in due)


def pass_deadlines(node: Node) -> int:
    """Note the open cases that were not answered in time, once each; gives how many."""
    rows = node.database.read(
        "SELECT case_id FROM consult_case WHERE home = ? AND state IN ('offered', 'claimed') AND due <= ?"
        " AND overdue = 0 ORDER BY due LIMIT 500",
        (node.id, node.now()),
    )
    return sum(_home_step(node, text(row, "case_id"), cases.PassDeadline()) for row in rows)


def next_due(node: Node) -> Micros | None:
    """Give when the next claim lapses or deadline passes; None when nothing is due."""
    rows = node.database.read(
        "SELECT min(due) AS due FROM (SELECT min(until) AS due FROM claim UNION ALL"
        " SELECT min(due) FROM consult_case"
        " WHERE home = ? AND state IN ('offered', 'claimed') AND overdue = 0)",
        (node.id,),
    )
    return None if rows[0]["due"] is None else integer(rows[0], "due")


def note_change(node: Node, record: Record) -> list[Statement]:
    """Give the statements that tell homes of a study of this node that changed or completed.

    For the batch that moves the reader's cursor. A report that comes home into its
    own study is no news.
    """
    event = decode(FOLLOWED, record.type, record.body)
    if event is None:
        return []
    key = study_of(record.subject)
    if key.origin != node.id or (isinstance(event, StudyChanged) and event.door == "report"):
        return []
    command: requests.Command = (
        requests.NoteImages(instances=event.total)
        if isinstance(event, StudyChanged)
        else requests.NoteCompletion(instances=event.instances)
    )
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


def _home_step(node: Node, case_id: str, command: cases.Command) -> bool:
    """Decide a clock's command and write what it means; False when it changed nothing."""

    def attempt() -> tuple[Sequence[Statement], bool]:
        case = load_home(node, case_id)
        events = cases.decide(case.state, command, node.now())
        if not events:
            return (), False
        happened = happen(node, case, events)
        return [*happened.statements, *tell_clinic(node, happened)], True

    return decide_and_write(node, attempt)
