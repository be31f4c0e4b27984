"""A case at its pool's home: load what is decided on, and turn events into rows and the answer.

One function makes every row an event means: the case, its claim, who sees the
study, what keeps it from expiry, the dated facts. The answer to the clinic is
given back, not sent: `telling` knows where the clinic is.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from node.reporting.reports import mark_cancelled_late

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
    statements = node.journal.append(case.subject, events, after=case.version, cause=case.cause)
    facts: list[Fact] = []
    current = case
    for event in events:
        before = current
        current = replace(
            before,
            state=evolve(before.state, event),
            version=before.version + 1,
            offered=event if isinstance(event, CaseOffered) else before.offered,
        )
        statements += _rows_of(node, before, current, event)
        body = fact_body(event, reason=reason)
        facts.append(Fact(n=current.version, at=now, type=event_type(type(event)), body=body))
    standing = standing_of(current, reason=reason)
    statements += [
        put_standing(case.case_id, standing, cancelling=False),
        *insert_facts(case.case_id, node.id, facts),
    ]
    answer = CaseFacts(case_id=case.case_id, standing=standing, facts=tuple(facts), report=report)
    return Happened(statements=statements, answer=answer, case=current)


def standing_of(case: HomeCase, *, reason: str) -> Standing:
    """Say how a case stands, in the words of the message."""
    state = case.state
    return Standing(
        version=case.version,
        state=state.state,
        due=state.due,
        reason=reason if state.reason else "",
        claimed_by="" if state.last is None else state.last.person,
        claimed_name="" if state.last is None else state.last.name,
        claimed_at=state.claimed_at,
        overdue=state.overdue,
        late_cancel=state.late_cancel,
    )


def fact_body(event: CaseEvent, *, reason: str) -> FactBody:
    """Say what a person may read of an event, at both nodes."""
    match event:
        case CaseOffered():
            return {"pool": event.pool, "due": event.due}
        case CaseClaimed():
            return {"by": event.name, "until": event.until}
        case ClaimReleased() | CaseDeclined():
            return {"by": event.name, "reason": reason}
        case ClaimLapsed() | CaseRead():
            return {"by": event.name}
        case CaseCancelled():
            return {"by": event.by, "reason": reason}
        case CancelCameLate():
            return {"by": event.by}
        case AmendmentAccepted():
            return {"instances": event.instances, "complete": int(event.complete)}
        case DeadlinePassed():
            return {"due": event.due}
        case CaseSigned():
            return {"by": event.name, "report": event.report_id}
        case _:
            assert_never(event)


def _rows_of(node: Node, before: HomeCase, after: HomeCase, event: CaseEvent) -> list[Statement]:
    """Give the rows of one event beside the case's own."""
    match event:
        case CaseOffered():
            return [
                insert_case(_new_row(node, after, event)),
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
            until = node.now() + AFTER_SIGNING
            return [
                *_close_claim(before),
                open_study(f"pool/{after.asked.pool}", after.key, reason=after.subject, until=until),
                hold_study(after.key, after.case_id, until=until),
                put_report(after.case_id, event.report_id, returned_at=None),
            ]
        case AmendmentAccepted():
            return [put_amended(after.case_id, event.n)]
        case CancelCameLate():
            return mark_cancelled_late(node.journal, after.state.report_id, cause=after.cause, now=node.now())
        case CaseRead() | DeadlinePassed():
            return []
        case _:
            assert_never(event)


def _close_claim(case: HomeCase) -> list[Statement]:
    claim = case.state.claim
    return [] if claim is None else [claims.close_claim(case.case_id, claim)]


def _new_row(node: Node, case: HomeCase, offered: CaseOffered) -> CaseRow:
    return CaseRow(
        case_id=case.case_id,
        clinic=case.clinic,
        clinic_name=offered.clinic_name,
        home=node.id,
        pool=offered.pool,
        origin=case.clinic,
        study_uid=StudyUID(offered.study_uid),
        kind=offered.kind,
        urgency=offered.urgency,
        specialty=offered.specialty,
        form=offered.words,
        state="requested",
        cancelling=False,
        amended=0,
        overdue=False,
        requested_at=offered.requested_at,
        requested_by=offered.requested_by,
        due=offered.due,
        reason="",
        claimed_by="",
        claimed_name="",
        claimed_at=None,
        report_id=None,
        returned_at=None,
        version=0,
        cause=case.cause,
    )
