"""A case at its pool's home: load what is decided on, and turn events into rows and the answer.

One function makes every row an event means, `rows_after`: the case, its claim, who sees the
study, what keeps it from expiry, the dated facts. Commands write by it, and so does whoever
writes lost rows again from the journal. The answer to the clinic is
given back, not sent: `answering` knows where the clinic is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import assert_never

from federation.consult import claims
from federation.consult.case_events import (
    CASE_EVENTS,
    AmendmentAccepted,
    CancelCameLate,
    CaseCancelled,
    CaseClaimed,
    CaseDeclined,
    CaseEvent,
    CaseOffered,
    CaseRead,
    CaseResumed,
    CaseSigned,
    ClaimLapsed,
    ClaimReleased,
    DeadlinePassed,
)
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
from federation.consult.cases import CaseState, evolve
from federation.consult.messages import CaseFacts, Fact, FactBody, Standing
from node.catalogue.visibility import close_study, open_study
from node.clock import MINUTE, Micros
from node.database.port import Statement
from node.errors import Damaged
from node.events import decode, event_type
from node.names import Cause, NodeId, StudyKey, StudyUID, Subject
from node.node import Node
from node.reporting.report import SignedReport
from node.reporting.reports import append_late_cancel, mark_late_cancel

Words = Callable[[str], str]
"""Gives somebody's words by their digest; none for an empty one."""
AFTER_SIGNING: Micros = 30 * 24 * 60 * MINUTE
"""For so long a signed case's pool still sees the study, and its copy is kept: questions come after a report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeCase:
    """A case as home decides on it; ``offered`` is None before anybody asked."""

    case_id: str
    state: CaseState
    version: int
    cause: Cause
    offered: CaseOffered | None

    @property
    def subject(self) -> Subject:
        return Subject(f"case/{self.case_id}")

    @property
    def number(self) -> int:
        """How far it is, as the clinic is told: its events, and numbers that were left free."""
        return self.version + self.state.skipped

    @property
    def asked(self) -> CaseOffered:
        if self.offered is None:
            raise Damaged(f"Reading case {self.case_id} failed: it has no offer. Run 'meridian verify'.")
        return self.offered

    @property
    def clinic(self) -> NodeId:
        return NodeId(self.asked.clinic)

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.clinic, study_uid=StudyUID(self.asked.study_uid))


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What a batch must hold for some events, and what the clinic is told."""

    statements: list[Statement]
    answer: CaseFacts
    case: HomeCase
    """As it stands after them."""


def load_home(node: Node, case_id: str, *, cause: Cause | None = None) -> HomeCase:
    """Give a case from its events, with its claim's time from the row that renewals move."""
    records = node.journal.of(Subject(f"case/{case_id}"))
    events = [event for record in records if (event := decode(CASE_EVENTS, record.type, record.body))]
    state = reduce(evolve, events, CaseState())
    row = claims.peek_claim(node.database, case_id) if state.claim is not None else None
    if row is not None and state.claim is not None and row.epoch == state.claim.epoch:
        state = replace(state, claim=row)
    offered = next((event for event in events if isinstance(event, CaseOffered)), None)
    return HomeCase(
        case_id=case_id,
        state=state,
        version=len(records),
        cause=records[0].cause if records else cause or Cause(node.new_id()),
        offered=offered,
    )


def held_before(node: Node, case_id: str, person: str) -> bool:
    """Say whether a person ever claimed a case."""
    events = (
        decode((CaseClaimed,), record.type, record.body)
        for record in node.journal.of(Subject(f"case/{case_id}"))
    )
    return any(event is not None and event.person == person for event in events)


def happen(
    node: Node,
    case: HomeCase,
    events: Sequence[CaseEvent],
    *,
    reason: str = "",
    report: SignedReport | None = None,
) -> Happened:
    """Give everything that events mean here.

    Parameters
    ----------
    reason
        The words behind the reason digest of a release, decline or cancel among the events.
    report
        What `CaseSigned` signed; goes home with the answer.
    """
    now = node.now()
    statements = node.journal.append(case.subject, events, after=case.version, cause=case.cause, at=now)
    facts: list[Fact] = []
    current = case

    def words(digest: str) -> str:
        return reason if digest else ""

    for event in events:
        before, current = current, advance(current, event)
        statements += rows_after(node.id, before, current, event, at=now, words=words)
        facts.append(fact_of(current, event, at=now, words=words))
        if isinstance(event, CancelCameLate):
            report_id = current.state.report_id
            statements += append_late_cancel(node.journal, report_id, cause=current.cause, now=now)
    standing = standing_of(current, words=words)
    answer = CaseFacts(case_id=case.case_id, standing=standing, facts=tuple(facts), report=report)
    return Happened(statements=statements, answer=answer, case=current)


def advance(case: HomeCase, event: CaseEvent) -> HomeCase:
    """Give a case after one event."""
    return replace(
        case,
        state=evolve(case.state, event),
        version=case.version + 1,
        offered=event if isinstance(event, CaseOffered) else case.offered,
    )


def rows_after(
    home: NodeId, before: HomeCase, after: HomeCase, event: CaseEvent, *, at: Micros, words: Words
) -> list[Statement]:
    """Give every row that one event means at home, all of the event and its moment."""
    return [
        *_rows_of(home, before, after, event, at=at),
        put_standing(after.case_id, standing_of(after, words=words), cancelling=False),
        *insert_facts(after.case_id, home, [fact_of(after, event, at=at, words=words)]),
    ]


def fact_of(after: HomeCase, event: CaseEvent, *, at: Micros, words: Words) -> Fact:
    """Give an event as the dated fact that people read, at both nodes."""
    return Fact(n=after.number, at=at, type=event_type(type(event)), body=fact_body(event, words=words))


def standing_of(case: HomeCase, *, words: Words) -> Standing:
    """Say how a case stands, in the words of the message."""
    state = case.state
    return Standing(
        version=case.number,
        state=state.state,
        due=state.due,
        reason=words(state.reason),
        claimed_by="" if state.last is None else state.last.person,
        claimed_name="" if state.last is None else state.last.name,
        claimed_at=state.claimed_at,
        overdue=state.overdue,
        late_cancel=state.late_cancel,
    )


def fact_body(event: CaseEvent, *, words: Words) -> FactBody:
    """Say what a person may read of an event, at both nodes."""
    match event:
        case CaseOffered():
            return {"pool": event.pool, "due": event.due}
        case CaseClaimed():
            return {"by": event.name, "until": event.until}
        case ClaimReleased() | CaseDeclined():
            return {"by": event.name, "reason": words(event.reason)}
        case ClaimLapsed() | CaseRead():
            return {"by": event.name}
        case CaseCancelled():
            return {"by": event.by, "reason": words(event.reason)}
        case CancelCameLate():
            return {"by": event.by}
        case AmendmentAccepted():
            return {"instances": event.instances, "complete": int(event.complete)}
        case DeadlinePassed():
            return {"due": event.due}
        case CaseSigned():
            return {"by": event.name, "report": event.report_id}
        case CaseResumed():
            return {"until": event.until}
        case _:
            assert_never(event)


def _rows_of(
    home: NodeId, before: HomeCase, after: HomeCase, event: CaseEvent, *, at: Micros
) -> list[Statement]:
    """Give the rows of one event beside how the case stands."""
    match event:
        case CaseOffered():
            return [
                insert_case(_new_row(home, after, event)),
                open_study(f"pool/{event.pool}", after.key, reason=after.subject),
                hold_study(after.key, after.case_id, until=None),
            ]
        case CaseClaimed():
            claim = claims.Claim(person=event.person, name=event.name, epoch=event.epoch, until=event.until)
            return [claims.put_claim(after.case_id, claim)]
        case ClaimReleased() | ClaimLapsed():
            return _close_claim(before)
        case CaseDeclined() | CaseCancelled():
            return [
                *_close_claim(before),
                close_study(after.key, reason=after.subject),
                unhold_study(after.key, after.case_id),
            ]
        case CaseSigned():
            until = at + AFTER_SIGNING
            return [
                *_close_claim(before),
                open_study(f"pool/{after.asked.pool}", after.key, reason=after.subject, until=until),
                hold_study(after.key, after.case_id, until=until),
                put_report(after.case_id, event.report_id, returned_at=None),
            ]
        case AmendmentAccepted():
            return [put_amended(after.case_id, event.n)]
        case CancelCameLate():
            return [mark_late_cancel(after.state.report_id)]
        case CaseRead() | DeadlinePassed() | CaseResumed():
            return []
        case _:
            assert_never(event)


def _close_claim(case: HomeCase) -> list[Statement]:
    claim = case.state.claim
    return [] if claim is None else [claims.close_claim(case.case_id, claim)]


def _new_row(home: NodeId, case: HomeCase, offered: CaseOffered) -> CaseRow:
    return CaseRow(
        case_id=case.case_id,
        clinic=case.clinic,
        clinic_name=offered.clinic_name,
        home=home,
        pool=offered.pool,
        origin=case.clinic,
        study_uid=StudyUID(offered.study_uid),
        kind=offered.kind,
        urgency=offered.urgency,
        specialty=offered.specialty,
        form=offered.words,
        state="requested",
        requested_at=offered.requested_at,
        requested_by=offered.requested_by,
        due=offered.due,
        cause=case.cause,
    )
