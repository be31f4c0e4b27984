"""A case at the clinic that asked: load what is decided on, turn events into rows, take home's answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from federation.consult.case_table import (
    hold_study,
    insert_facts,
    put_amended,
    put_report,
    put_standing,
    unhold_study,
)
from federation.consult.home import AFTER_SIGNING
from federation.consult.messages import CaseFacts
from federation.consult.requests import (
    REQUEST_EVENTS,
    ConsultRequested,
    RequestEvent,
    RequestState,
    TakeAnswer,
    decide,
    evolve,
)
from federation.roster import Roster
from node.canonical import digest_of
from node.database.port import Statement
from node.errors import Damaged, NotFound, Refused
from node.events import decode
from node.journal.jobs import enqueue
from node.keys.signing import verify
from node.names import Cause, NodeId, StudyKey, StudyUID, Subject
from node.node import Node
from node.reporting.report import SignedReport, signed_bytes, words_of
from node.reporting.reports import insert_report, mark_late_cancel


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicCase:
    """A case as the clinic decides on it."""

    case_id: str
    state: RequestState
    version: int
    cause: Cause
    requested: ConsultRequested

    @property
    def subject(self) -> Subject:
        return Subject(f"request/{self.case_id}")

    @property
    def home(self) -> NodeId:
        return NodeId(self.requested.home)

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=NodeId(self.requested.origin), study_uid=StudyUID(self.requested.study_uid))


def load_clinic(node: Node, case_id: str) -> ClinicCase:
    """Give a case from its events.

    Raises
    ------
    NotFound
        It was not asked for here.
    """
    records = node.journal.of(Subject(f"request/{case_id}"))
    events = [event for record in records if (event := decode(REQUEST_EVENTS, record.type, record.body))]
    requested = next((event for event in events if isinstance(event, ConsultRequested)), None)
    if requested is None:
        raise NotFound("Reading the case failed: it was not asked for here. Load the list again.")
    return ClinicCase(
        case_id=case_id,
        state=reduce(evolve, events, RequestState()),
        version=len(records),
        cause=records[0].cause,
        requested=requested,
    )


def follow(
    node: Node, case: ClinicCase, events: Sequence[RequestEvent]
) -> tuple[ClinicCase, list[Statement]]:
    """Give the case after events, and the statements that append them and move its row."""
    appended = node.journal.append(case.subject, events, after=case.version, cause=case.cause)
    after = replace(case, state=reduce(evolve, events, case.state), version=case.version + len(events))
    cancelling = Statement(
        "UPDATE consult_case SET cancelling = ? WHERE case_id = ?",
        (int(after.state.cancelling), case.case_id),
    )
    return after, [*appended, cancelling, put_amended(case.case_id, after.state.amendment)]


def take_answer(node: Node, case: ClinicCase, answer: CaseFacts) -> list[Statement]:
    """Give the statements that take home's answer: standing, facts, and the report with what follows from it.

    Taking it twice, or after a newer one, adds only what is not here yet.

    Raises
    ------
    Refused
        The report is not about this case, or not signed by its home.
    """
    report = answer.report
    if report is not None:
        _check_report(node, case, report)
    standing = answer.standing
    command = TakeAnswer(
        version=standing.version,
        standing=standing.state,
        late_cancel=standing.late_cancel,
        report_id="" if report is None else report.report_id,
        text="" if report is None else digest_of(words_of(report)),
    )
    events = decide(case.state, command, node.now())
    after, statements = follow(node, case, events)
    statements += [
        put_standing(case.case_id, standing, cancelling=after.state.cancelling),
        *insert_facts(case.case_id, case.home, answer.facts),
    ]
    if report is not None and not case.state.report_id:
        statements += _take_report(node, case, report, late_cancel=after.state.late_cancel)
    if after.state.late_cancel and not case.state.late_cancel and after.state.report_id:
        statements.append(mark_late_cancel(after.state.report_id))
    return [*statements, *_let_go(node, after)]


def _take_report(node: Node, case: ClinicCase, report: SignedReport, *, late_cancel: bool) -> list[Statement]:
    digest, text = node.texts.put("report", words_of(report))
    return [
        text,
        insert_report(report, text=digest, late_cancel=late_cancel, documents="waiting", cause=case.cause),
        put_report(case.case_id, report.report_id, returned_at=node.now()),
        enqueue(
            "make_documents",
            {"report_id": report.report_id},
            key=f"documents/{report.report_id}",
            cause=case.cause,
            now=node.now(),
        ),
    ]


def _check_report(node: Node, case: ClinicCase, report: SignedReport) -> None:
    """Refuse a report that is about something else, or whose signature is not home's."""
    about = (report.case_id, report.origin, report.study_uid, report.home)
    if about != (case.case_id, case.key.origin, case.key.study_uid, case.home):
        raise Refused(
            f"Taking a report for case {case.case_id} was refused: it is about another. Tell {case.home}."
        )
    try:
        verify(_verify_key(node, case.home), signed_bytes(report), report.signature)
    except (Damaged, NotFound) as error:
        raise Refused(
            f"Taking a report for case {case.case_id} was refused: its signature is not that of {case.home}."
            " Ask there whether its key was changed."
        ) from error


def _verify_key(node: Node, home: NodeId) -> str:
    return node.keys.verify_key if home == node.id else Roster.load(node.database).entry(home).verify_key


def _let_go(node: Node, case: ClinicCase) -> list[Statement]:
    """Give the statements that end what the case kept and sent, once it has ended."""
    match case.state.standing:
        case "declined" | "cancelled":
            referral = Statement("DELETE FROM referral WHERE case_id = ?", (case.case_id,))
            return [unhold_study(case.key, case.case_id), referral]
        case "signed":
            return [hold_study(case.key, case.case_id, until=node.now() + AFTER_SIGNING)]
        case _:
            return []
