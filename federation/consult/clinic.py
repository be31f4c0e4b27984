"""A case at the clinic that asked: load what is decided on, turn events into rows, take home's answer.

One function makes every row an event means, `rows_after`, as at home.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import assert_never

from federation.consult.case_table import (
    CaseRow,
    hold_study,
    insert_case,
    insert_facts,
    put_amended,
    put_report,
    put_standing,
    unhold_study,
)
from federation.consult.home import AFTER_SIGNING, Words
from federation.consult.messages import CaseFacts, Fact, Standing
from federation.consult.requests import (
    REQUEST_EVENTS,
    AmendmentSent,
    AnswersDoubted,
    CancelAsked,
    CaseAnswered,
    ConsultRequested,
    FactsCame,
    ReportReturned,
    RequestEvent,
    RequestState,
    TakeAnswer,
    decide,
    evolve,
)
from federation.roster import Roster
from node.canonical import digest_of
from node.clock import Micros
from node.database.port import Statement
from node.errors import Damaged, NotFound, Refused
from node.events import decode
from node.keys.signing import verify
from node.names import Cause, Digest, NodeId, StudyKey, StudyUID, Subject
from node.node import Node
from node.reporting.report import ReportHead, SignedReport, head_of, signed_bytes, words_of
from node.reporting.reports import ask_documents, insert_report, mark_late_cancel


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


def advance(case: ClinicCase, event: RequestEvent) -> ClinicCase:
    """Give a case after one event."""
    return replace(case, state=evolve(case.state, event), version=case.version + 1)


def follow(
    node: Node,
    case: ClinicCase,
    events: Sequence[RequestEvent],
    *,
    at: Micros | None = None,
    words: Words = lambda digest: "",
) -> tuple[ClinicCase, list[Statement]]:
    """Give the case after events, and the statements that append them and write what they mean."""
    now = node.now() if at is None else at
    statements = node.journal.append(case.subject, events, after=case.version, cause=case.cause, at=now)
    for event in events:
        before, case = case, advance(case, event)
        statements += rows_after(node.id, before, case, event, at=now, words=words)
    return case, statements


def rows_after(
    here: NodeId, before: ClinicCase, after: ClinicCase, event: RequestEvent, *, at: Micros, words: Words
) -> list[Statement]:
    """Give every row that one event means at the clinic, all of the event and its moment."""
    cancelling = Statement(
        "UPDATE consult_case SET cancelling = ? WHERE case_id = ?",
        (int(after.state.cancelling), after.case_id),
    )
    late = after.state.late_cancel and not before.state.late_cancel and before.state.report_id
    return [
        *_rows_of(here, after, event, at=at, words=words),
        cancelling,
        *([mark_late_cancel(after.state.report_id)] if late else []),
    ]


def _rows_of(
    here: NodeId, case: ClinicCase, event: RequestEvent, *, at: Micros, words: Words
) -> list[Statement]:
    match event:
        case ConsultRequested():
            row = _new_row(here, case, event, at=at)
            return [insert_case(row), hold_study(case.key, case.case_id, until=None), *_refer(here, case)]
        case AmendmentSent():
            return [put_amended(case.case_id, event.n)]
        case CaseAnswered():
            standing = _standing(event, words=words)
            return [
                put_standing(case.case_id, standing, cancelling=case.state.cancelling),
                *insert_facts(case.case_id, case.home, _spoken(event.facts, words)),
                *_let_go(case, at=at),
            ]
        case FactsCame():
            return insert_facts(case.case_id, case.home, _spoken(event.facts, words))
        case ReportReturned():
            report = [] if event.head is None else [_report(event, event.head, case)]
            return [*report, put_report(case.case_id, event.report_id, returned_at=at)]
        case CancelAsked() | AnswersDoubted():
            return []
        case _:
            assert_never(event)


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
    said: dict[str, str] = {digest_of(words): words for words in _reasons(answer)}
    command = TakeAnswer(
        version=standing.version,
        standing=standing.state,
        late_cancel=standing.late_cancel,
        report_id="" if report is None else report.report_id,
        text="" if report is None else digest_of(words_of(report)),
        due=standing.due,
        reason=digest_of(standing.reason) if standing.reason else "",
        claimed_by=standing.claimed_by,
        claimed_name=standing.claimed_name,
        claimed_at=standing.claimed_at,
        overdue=standing.overdue,
        facts=_named(answer.facts),
        head=None if report is None else head_of(report),
    )
    now = node.now()
    events = decide(case.state, command, now)
    _, statements = follow(node, case, events, at=now, words=lambda digest: said.get(digest, ""))
    texts = [node.texts.put("case-reason", words)[1] for words in said.values()] if events else []
    if report is not None and report.report_id not in case.state.reports:
        texts.append(node.texts.put("report", words_of(report))[1])
        statements.append(ask_documents(report.report_id, cause=case.cause, now=now))
        statements += _second_report(node, case)
    return [*texts, *statements]


def _report(event: ReportReturned, head: ReportHead, case: ClinicCase) -> Statement:
    return insert_report(
        head,
        text=Digest(event.text),
        late_cancel=case.state.late_cancel,
        documents="waiting",
        cause=case.cause,
    )


def _second_report(node: Node, case: ClinicCase) -> list[Statement]:
    """Tell that a case has two signed reports: its home had forgotten the first. Both are kept."""
    if not case.state.reports:
        return []
    detail = (
        f"Taking the report of case {case.case_id} brought a second one: {case.home} signed it again, as after its index"
        " was lost. Both are with the study. Read both, and ask there which of them counts."
    )
    return node.problem("second-report", about=case.subject, detail=detail, cause=case.cause)


def _reasons(answer: CaseFacts) -> set[str]:
    """Give the words that people wrote in an answer."""
    said = {answer.standing.reason, *(str(fact.body.get("reason", "")) for fact in answer.facts)}
    return said - {""}


def _named(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """Give facts as events hold them: people's words by digest."""
    return tuple(_worded(fact, digest_of(str(fact.body.get("reason", "")))) for fact in facts)


def _spoken(facts: Sequence[Fact], words: Words) -> tuple[Fact, ...]:
    """Give facts as rows hold them."""
    return tuple(_worded(fact, words(str(fact.body.get("reason", "")))) for fact in facts)


def _worded(fact: Fact, reason: str) -> Fact:
    return replace(fact, body={**fact.body, "reason": reason}) if fact.body.get("reason") else fact


def _standing(event: CaseAnswered, *, words: Words) -> Standing:
    return Standing(
        version=event.version,
        state=event.state,
        due=event.due,
        reason=words(event.reason),
        claimed_by=event.claimed_by,
        claimed_name=event.claimed_name,
        claimed_at=event.claimed_at,
        overdue=event.overdue,
        late_cancel=event.late_cancel,
    )


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


def _let_go(case: ClinicCase, *, at: Micros) -> list[Statement]:
    """Give the statements that end what the case kept and sent, once it has ended."""
    match case.state.standing:
        case "declined" | "cancelled":
            referral = Statement("DELETE FROM referral WHERE case_id = ?", (case.case_id,))
            return [unhold_study(case.key, case.case_id), referral]
        case "signed":
            return [hold_study(case.key, case.case_id, until=at + AFTER_SIGNING)]
        case _:
            return []


def _refer(here: NodeId, case: ClinicCase) -> list[Statement]:
    """Give the row by which the study is sent to the pool's home, whatever the policy's default."""
    if case.home == here:
        return []
    return [
        Statement(
            "INSERT INTO referral (peer, origin, study_uid, case_id) VALUES (?, ?, ?, ?)",
            (case.home, case.key.origin, case.key.study_uid, case.case_id),
        )
    ]


def _new_row(here: NodeId, case: ClinicCase, asked: ConsultRequested, *, at: Micros) -> CaseRow:
    return CaseRow(
        case_id=case.case_id,
        clinic=here,
        clinic_name=asked.clinic_name,
        home=case.home,
        pool=asked.pool,
        origin=case.key.origin,
        study_uid=case.key.study_uid,
        kind=asked.kind,
        urgency=asked.urgency,
        specialty=asked.specialty,
        form=asked.words,
        state=case.state.standing,
        requested_at=at,
        requested_by=asked.requested_by,
        due=asked.due,
        cause=case.cause,
    )
