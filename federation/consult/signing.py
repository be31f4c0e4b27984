"""Make a signed report out of a draft: its UIDs, its words, the home node's signature, its row."""

from __future__ import annotations

from dataclasses import replace

from federation.consult.home import HomeCase
from node.canonical import digest_of
from node.clock import new_uid
from node.database.port import Statement
from node.keys.encoding import to_base64
from node.names import StudyKey, Subject
from node.node import Node
from node.people.accounts import Person
from node.reporting.report import ReportState, Sign, SignedReport, decide, signed_bytes, words_of
from node.reporting.reports import insert_report


def make_report(
    node: Node, case: HomeCase, person: Person, *, findings: str, impression: str
) -> SignedReport:
    """Give the report as this node signs it; its document UIDs are drawn here, once."""
    report = SignedReport(
        report_id=node.new_id(),
        case_id=case.case_id,
        origin=case.key.origin,
        study_uid=case.key.study_uid,
        home=node.id,
        home_name=node.config.node.name,
        version=1,
        findings=findings.strip(),
        impression=impression.strip(),
        signer=person.id,
        signer_name=person.name,
        signed_at=node.now(),
        sr_uid=new_uid(),
        sr_series_uid=new_uid(),
        pdf_uid=new_uid(),
    )
    return replace(report, signature=to_base64(node.keys.sign(signed_bytes(report))))


def sign_statements(node: Node, case: HomeCase, report: SignedReport) -> list[Statement]:
    """Give the statements that make a report signed here.

    Raises
    ------
    FieldMissing
        Findings or impression are empty.
    """
    command = Sign(report=report, text=digest_of(words_of(report)))
    events = decide(ReportState(), command, node.now())
    digest, text = node.texts.put("report", words_of(report))
    documents = "waiting" if case.clinic == node.id else "elsewhere"
    return [
        text,
        *node.journal.append(Subject(f"report/{report.report_id}"), events, after=0, cause=case.cause),
        insert_report(report, text=digest, late_cancel=False, documents=documents, cause=case.cause),
        _no_patient_conflict(case.key),
    ]


def _no_patient_conflict(key: StudyKey) -> Statement:
    """Give the guard that undoes a batch when it has become unsure whose images these are."""
    return Statement(
        "UPDATE study SET conflict = conflict WHERE origin = ? AND study_uid = ? AND conflict = 2",
        (key.origin, key.study_uid),
        expect=0,
    )
