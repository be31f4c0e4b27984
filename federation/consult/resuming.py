"""Cases after a node's index was written again: what is said anew, so that nobody waits for what was on its way and is lost.

The journal tells of a case up to its last block; mail that waited went with the database. Home says again how each case stands,
numbered behind all that it may have said since; the clinic asks again for what home never answered. Each asks all the others
that the journal knows for their mail again. All of it changes nothing where it is known already. What happened to an open case after the last block is
not known: an event says so, at either end, until there is news.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from federation.consult import cases, requests
from federation.consult.answering import tell_clinic
from federation.consult.case_events import CASE_EVENTS
from federation.consult.case_table import CaseRow, get_case
from federation.consult.clinic import ClinicCase, follow, load_clinic
from federation.consult.forms import FormWords
from federation.consult.home import (
    AFTER_SIGNING,
    HomeCase,
    advance,
    fact_of,
    happen,
    load_home,
    standing_of,
)
from federation.consult.messages import CaseCancelRequested, CaseFacts, CaseRequested, Fact
from federation.consult.requests import REQUEST_EVENTS, CancelAsked
from federation.outbox import send
from federation.receipts import ask_again
from node.clock import Micros
from node.database.port import Statement, text
from node.errors import Damaged, NotFound
from node.events import decode
from node.keys.signing import verify
from node.names import Digest, NodeId
from node.node import Node
from node.reporting.report import SignedReport, signed_bytes
from node.reporting.reports import get_report, signed_report

_OPEN_AT_HOME = (
    "SELECT case_id FROM consult_case WHERE home = ? AND state IN ('offered', 'claimed')"
    " AND EXISTS (SELECT 1 FROM journal WHERE subject = 'case/' || case_id) ORDER BY case_id"
)
_OPEN_AT_CLINIC = (
    "SELECT case_id FROM consult_case WHERE clinic = ? AND home <> ? AND state IN ('requested', 'offered', 'claimed')"
    " AND EXISTS (SELECT 1 FROM journal WHERE subject = 'request/' || case_id) ORDER BY case_id"
)
_NEWLY_ENDED = (
    "SELECT case_id FROM consult_case WHERE home = ? AND clinic <> ? AND state IN ('signed', 'declined', 'cancelled')"
    " AND (SELECT max(at) FROM journal WHERE subject = 'case/' || case_id) > ? ORDER BY case_id"
)
_CORRESPONDENTS = (
    "SELECT DISTINCT clinic AS peer FROM consult_case WHERE home = ? AND clinic <> ? UNION"
    " SELECT DISTINCT home FROM consult_case WHERE clinic = ? AND home <> ? UNION"
    " SELECT DISTINCT body ->> 'node' FROM journal WHERE type = 'roster-extended/1' AND body ->> 'node' NOT IN ('', ?)"
)


def resume_cases(node: Node, *, until: Micros) -> Iterator[list[Statement]]:
    """Give, case by case, the statements that say anew what the other end may be waiting for.

    Parameters
    ----------
    until
        Up to when it is known what happened.
    """
    for case_id in _ids(node, _OPEN_AT_HOME, node.id):
        yield _resume(node, load_home(node, case_id), until=until)
    for case_id in _ids(node, _NEWLY_ENDED, node.id, node.id, node.now() - AFTER_SIGNING):
        case = load_home(node, case_id)
        yield send(node, case.clinic, told_whole(node, case_id), cause=case.cause)
    for case_id in _ids(node, _OPEN_AT_CLINIC, node.id, node.id):
        yield _doubt(node, load_clinic(node, case_id), until=until)
    yield [
        statement
        for row in node.database.read(_CORRESPONDENTS, (node.id,) * 5)
        for statement in ask_again(NodeId(text(row, "peer")), now=node.now())
    ]


def told_whole(node: Node, case_id: str) -> CaseFacts:
    """Give all that home has to say of a case: how it stands, every fact, and the report with its words."""
    records = node.journal.of(load_home(node, case_id).subject)
    facts: list[Fact] = []
    case = HomeCase(case_id=case_id, state=cases.CaseState(), version=0, cause=records[0].cause, offered=None)
    for record in records:
        event = decode(CASE_EVENTS, record.type, record.body)
        if event is not None:
            case = advance(case, event)
            facts.append(
                fact_of(case, event, at=record.at, words=lambda digest: words_of_digest(node, digest))
            )
    standing = standing_of(case, words=lambda digest: words_of_digest(node, digest))
    return CaseFacts(case_id=case_id, standing=standing, facts=tuple(facts), report=_report(node, case))


def words_of_digest(node: Node, digest: str) -> str:
    """Give somebody's words; none where there were none, or they are not here any more."""
    try:
        return node.texts.get(Digest(digest)) if digest else ""
    except NotFound:
        return ""


def _resume(node: Node, case: HomeCase, *, until: Micros) -> list[Statement]:
    """Note at home what is not known of an open case, and tell the clinic how it stands."""
    happened = happen(node, case, cases.decide(case.state, cases.Resume(until=until), node.now()))
    if case.clinic == node.id:
        return [*happened.statements, *tell_clinic(node, happened)]
    before = told_whole(node, case.case_id)
    whole = CaseFacts(
        case_id=case.case_id,
        standing=happened.answer.standing,
        facts=(*before.facts, *happened.answer.facts),
        report=before.report,
    )
    return [*happened.statements, *send(node, case.clinic, whole, cause=case.cause)]


def _doubt(node: Node, case: ClinicCase, *, until: Micros) -> list[Statement]:
    """Note at the clinic that home may have said more, and ask again for what home never answered."""
    events = requests.decide(case.state, requests.DoubtAnswers(until=until), node.now())
    _, followed = follow(node, case, events)
    row = get_case(node.database, case.case_id)
    asked = [*(_request(node, case, row) if row.state == "requested" else ()), *_cancel(node, case, row)]
    return [
        *followed,
        *(one for message in asked for one in send(node, case.home, message, cause=case.cause)),
    ]


def _request(node: Node, case: ClinicCase, row: CaseRow) -> Iterable[CaseRequested]:
    words = words_of_digest(node, row.form)
    if not words:
        return  # it cannot be asked without; the rebuild has named it
    yield CaseRequested(
        case_id=row.case_id,
        pool=row.pool,
        study_uid=row.study_uid,
        kind=row.kind,
        urgency=row.urgency,
        specialty=row.specialty,
        clinic_name=row.clinic_name,
        words=msgspec.json.decode(words, type=FormWords),
        requested_at=row.requested_at,
        requested_by=row.requested_by,
        instances=case.state.instances,
        incomplete=case.state.awaiting,
    )


def _cancel(node: Node, case: ClinicCase, row: CaseRow) -> Iterable[CaseCancelRequested]:
    if not case.state.cancelling:
        return
    for record in node.journal.of(case.subject):
        event = decode(REQUEST_EVENTS, record.type, record.body)
        if isinstance(event, CancelAsked):
            reason = words_of_digest(node, event.reason) or "撤销 Cancelled"
            yield CaseCancelRequested(
                case_id=row.case_id, reason=reason, asked_at=event.at, asked_by=event.name or row.requested_by
            )


def _report(node: Node, case: HomeCase) -> SignedReport | None:
    """Give a case's report as it was signed; None when there is none, or it cannot be had whole."""
    if not case.state.report_id:
        return None
    try:
        report = signed_report(get_report(node.database, case.state.report_id), node.texts)
        verify(node.keys.verify_key, signed_bytes(report), report.signature)
    except (NotFound, Damaged):
        return None
    return report


def _ids(node: Node, sql: str, *params: str | int) -> list[str]:
    return [text(row, "case_id") for row in node.database.read(sql, params)]
