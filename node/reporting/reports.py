"""Signed reports as rows: written once, read with their words, marked when a cancel came late.

What a report may become is decided in `node.reporting.report`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import msgspec

from node.clock import Micros
from node.database.port import Database, Statement, read_as
from node.errors import NotFound
from node.events import decode
from node.journal.jobs import enqueue
from node.journal.records import Journal
from node.journal.texts import Texts
from node.names import Cause, Digest, StudyKey, Subject
from node.reporting.report import (
    REPORT_EVENTS,
    MarkLateCancel,
    ReportHead,
    ReportState,
    SignedReport,
    decide,
    evolve,
)

_COLUMNS = (
    "report_id, case_id, origin, study_uid, home, home_name, version, state, text, signer, signer_name, signed_at,"
    " reviewer, reviewer_name, reviewed_at, sr_uid, sr_series_uid, pdf_uid, late_cancel, signature, documents,"
    " pdf_path, cause"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """A signed report as it stands here; ``text`` is the digest of its words."""

    report_id: str
    case_id: str
    origin: str
    study_uid: str
    home: str
    home_name: str
    version: int
    state: str
    text: Digest
    signer: str
    signer_name: str
    signed_at: Micros
    reviewer: str
    reviewer_name: str
    reviewed_at: Micros | None
    sr_uid: str
    sr_series_uid: str
    pdf_uid: str
    late_cancel: bool
    signature: str
    documents: str
    """``waiting``, ``made``, or ``elsewhere`` where the clinic is another node."""
    pdf_path: str | None
    cause: Cause


class _Words(msgspec.Struct):
    findings: str
    impression: str


def insert_report(
    report: SignedReport | ReportHead, *, text: Digest, late_cancel: bool, documents: str, cause: Cause
) -> Statement:
    """Give the statement that adds a signed report; the same one again changes nothing."""
    values = (
        report.report_id, report.case_id, report.origin, report.study_uid, report.home, report.home_name,
        report.version, "signed", text, report.signer, report.signer_name, report.signed_at, "", "", None,
        report.sr_uid, report.sr_series_uid, report.pdf_uid, int(late_cancel), report.signature, documents, None,
        cause,
    )  # fmt: skip
    marks = ", ".join("?" * len(values))
    return Statement(
        f"INSERT INTO report ({_COLUMNS}) VALUES ({marks}) ON CONFLICT (report_id) DO NOTHING", values
    )


def mark_late_cancel(report_id: str) -> Statement:
    """Give the statement that marks a report whose case was to be cancelled."""
    return Statement("UPDATE report SET late_cancel = 1 WHERE report_id = ?", (report_id,))


def append_late_cancel(journal: Journal, report_id: str, *, cause: Cause, now: Micros) -> list[Statement]:
    """Give the statements that tell that a report signed here was to be cancelled; `mark_late_cancel` is its row's."""
    subject = Subject(f"report/{report_id}")
    records = journal.of(subject)
    past = [event for record in records if (event := decode(REPORT_EVENTS, record.type, record.body))]
    events = decide(reduce(evolve, past, ReportState()), MarkLateCancel(), now)
    return journal.append(subject, events, after=len(records), cause=cause)


def ask_documents(report_id: str, *, cause: Cause, now: Micros) -> Statement:
    """Give the statement that asks for a report's documents."""
    return enqueue(
        "make_documents", {"report_id": report_id}, key=f"documents/{report_id}", cause=cause, now=now
    )


def get_report(database: Database, report_id: str) -> ReportRow:
    """Give a report's row.

    Raises
    ------
    NotFound
        There is none here.
    """
    rows = read_as(database, ReportRow, f"SELECT {_COLUMNS} FROM report WHERE report_id = ?", (report_id,))
    if not rows:
        raise NotFound("Reading the report failed: it is not here. Load the case again.")
    return rows[0]


def reports_of(database: Database, key: StudyKey) -> list[ReportRow]:
    """Give the reports of a study, newest first."""
    return read_as(
        database,
        ReportRow,
        f"SELECT {_COLUMNS} FROM report WHERE origin = ? AND study_uid = ? ORDER BY signed_at DESC, report_id",
        (key.origin, key.study_uid),
    )


def signed_report(row: ReportRow, texts: Texts) -> SignedReport:
    """Give a report with its words, as it was signed.

    Raises
    ------
    NotFound
        Its words were erased.
    """
    words = msgspec.json.decode(texts.get(row.text), type=_Words)
    return SignedReport(
        report_id=row.report_id,
        case_id=row.case_id,
        origin=row.origin,
        study_uid=row.study_uid,
        home=row.home,
        home_name=row.home_name,
        version=row.version,
        findings=words.findings,
        impression=words.impression,
        signer=row.signer,
        signer_name=row.signer_name,
        signed_at=row.signed_at,
        sr_uid=row.sr_uid,
        sr_series_uid=row.sr_series_uid,
        pdf_uid=row.pdf_uid,
        signature=row.signature,
    )
