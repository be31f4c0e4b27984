"""Write and sign the report of a case one holds; words are kept whatever becomes of the claim."""

from __future__ import annotations

from collections.abc import Sequence

from federation.consult import cases, claims
from federation.consult.answering import tell_clinic
from federation.consult.deciding import decide_and_write
from federation.consult.drafts import keep_aside, peek_draft, put_draft
from federation.consult.home import HomeCase, happen, held_before
from federation.consult.opening import check_patient, open_case
from federation.consult.refusals import CaseEnded, ClaimLost
from federation.consult.signing import make_report, sign_statements
from node.database.port import Statement
from node.errors import Conflict, Refused
from node.failpoints import failpoint
from node.node import Node
from node.people.accounts import Person
from node.people.audit import record_act
from node.reporting.report import Draft, check_text, write
from node.reporting.reports import get_report, signed_report


def save_draft(
    node: Node,
    person: Person,
    case_id: str,
    *,
    version: int,
    findings: str,
    impression: str,
    epoch: int | None = None,
) -> Draft:
    """Save what is written; gives the draft with its next version.

    Words that may not become the draft any more are kept beside it before the refusal.

    Raises
    ------
    ClaimLost, CaseEnded
        She does not hold the case (any more).
    Conflict
        The draft is at another version.
    """
    words = _words(node, person, version=version, findings=findings, impression=impression)

    def attempt() -> tuple[Sequence[Statement], Draft]:
        case = open_case(node, person, case_id, act="Saving the draft")
        held = cases.held_claim(case.state, person.id, epoch, act="Saving the draft")
        saved, statements = _next_draft(node, case_id, words)
        return [claims.hold_claim(case_id, held), *statements], saved

    try:
        return decide_and_write(node, attempt)
    except (Conflict, Refused) as error:
        _keep(node, case_id, words, error)
        raise


def sign(
    node: Node,
    person: Person,
    case_id: str,
    *,
    version: int,
    findings: str,
    impression: str,
    epoch: int | None = None,
    address: str = "",
) -> str:
    """Sign the report of a case one holds and send it home; gives the report's id.

    Signing the same words again gives the same report: a page may repeat what it got no answer to.

    Raises
    ------
    FieldMissing
        Findings or impression are empty.
    ClaimLost, CaseEnded
        She does not hold the case (any more); the words are kept.
    PatientUncertain
        The study's instances disagree about the patient.
    Conflict
        The draft is at another version; the words are kept.
    """
    words = _words(node, person, version=version, findings=findings, impression=impression)

    def attempt() -> tuple[Sequence[Statement], str]:
        case = open_case(node, person, case_id, act="Signing")
        if _signed_already(node, case, words):
            return (), case.state.report_id
        cases.held_claim(case.state, person.id, epoch, act="Signing")
        check_patient(node, case.key, act="Signing")
        _, draft = _next_draft(node, case_id, words)
        report = make_report(node, case, person, findings=findings, impression=impression)
        signed = sign_statements(node, case, report)
        command = cases.SignCase(person=person.id, report_id=report.report_id, epoch=epoch)
        happened = happen(node, case, cases.decide(case.state, command, node.now()), report=report)
        audit = record_act(node, person, act="sign-report", subject=f"case/{case_id}", address=address)
        told = tell_clinic(node, happened)
        return [*draft, *signed, *happened.statements, audit, *told], report.report_id

    try:
        report_id = decide_and_write(node, attempt)
    except (Conflict, Refused) as error:
        _keep(node, case_id, words, error)
        raise
    failpoint("signed")
    return report_id


def _words(node: Node, person: Person, *, version: int, findings: str, impression: str) -> Draft:
    check_text(findings, name="findings")
    check_text(impression, name="impression")
    return Draft(version=version, findings=findings, impression=impression, person=person.id, at=node.now())


def _next_draft(node: Node, case_id: str, words: Draft) -> tuple[Draft, list[Statement]]:
    """Give the draft's next version; what another person wrote before is put aside first."""
    before = peek_draft(node.database, case_id)
    saved = write(before, words)
    taken_over = before is not None and before.person != words.person
    aside = [keep_aside(case_id, before, why="taken-over")] if before is not None and taken_over else []
    return saved, [*aside, put_draft(case_id, saved)]


def _keep(node: Node, case_id: str, words: Draft, error: Exception) -> None:
    """Keep words that were refused, of whoever ever held the case."""
    if held_before(node, case_id, words.person):
        lost = isinstance(error, ClaimLost | CaseEnded | Refused)
        node.write([keep_aside(case_id, words, why="claim-lost" if lost else "not-taken")])


def _signed_already(node: Node, case: HomeCase, words: Draft) -> bool:
    """Say whether this very signature was made before."""
    last = case.state.last
    if case.state.state != "signed" or last is None or last.person != words.person:
        return False
    report = signed_report(get_report(node.database, case.state.report_id), node.texts)
    return (report.findings, report.impression) == (words.findings.strip(), words.impression.strip())
