"""What a signed report's documents say, gathered from rows into one value.

The PDF and the SR are functions of this value alone, so that made twice they are
the same. How they look is `node.reporting.pdf` and `node.reporting.structured_report`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from node.clock import Micros
from node.database.port import Database, read_as
from node.errors import NotFound
from node.journal.texts import Texts
from node.names import Digest
from node.node import Node
from node.reporting.printed import local_time
from node.reporting.report import Question, SignedReport
from node.reporting.reports import ReportRow, get_report, signed_report

_STUDY = (
    "patient_name, patient_id, patient_issuer, sex, birth_date, age, study_date, study_time, accession, description,"
    " referring_physician, modalities, body_parts, department"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedStudy:
    """The study's row, as far as documents tell of it; dates as its hospital wrote them."""

    patient_name: str
    """DICOM PN text, ``ZHANG^SAN=张^三``."""
    patient_id: str
    patient_issuer: str
    """``NODE:ISSUER``; stays here, the images did not say it."""
    sex: str
    birth_date: str
    age: str
    study_date: str
    study_time: str
    accession: str
    description: str
    referring_physician: str
    modalities: str
    """JSON list."""
    body_parts: str
    """JSON list."""
    department: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """Everything a document of a signed report says."""

    report: SignedReport
    question: Question
    study: ReportedStudy
    reviewer_name: str
    reviewed_at: Micros | None
    late_cancel: bool
    zone: str
    """Time zone of the hospital that prints."""

    @property
    def signed_at(self) -> datetime:
        return local_time(self.report.signed_at, self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CaseRow:
    kind: str
    urgency: str
    form: str
    clinic: str
    clinic_name: str
    requested_at: Micros


class _FormWords(msgspec.Struct):
    """The words of a request form that documents print; its consent stays where it is."""

    reason: str
    aim: str
    history: str
    requesting_doctor: str


def read_content(node: Node, report_id: str) -> tuple[ReportRow, ReportContent]:
    """Give a report's row and what its documents say.

    Raises
    ------
    NotFound
        The report, its case, its study or its words are not here.
    """
    row = get_report(node.database, report_id)
    return row, ReportContent(
        report=signed_report(row, node.texts),
        question=_read_question(node, row.case_id),
        study=_read_study(node.database, row),
        reviewer_name=row.reviewer_name,
        reviewed_at=row.reviewed_at,
        late_cancel=row.late_cancel,
        zone=node.config.node.zone,
    )


def _read_question(node: Node, case_id: str) -> Question:
    rows = read_as(
        node.database,
        _CaseRow,
        "SELECT kind, urgency, form, clinic, clinic_name, requested_at FROM consult_case WHERE case_id = ?",
        (case_id,),
    )
    if not rows:
        raise NotFound(
            f"Reading case {case_id} for its report failed: it is not here. Run 'meridian verify'."
        )
    case, words = rows[0], _read_words(node.texts, Digest(rows[0].form))
    return Question(
        kind=case.kind,
        urgency=case.urgency,
        reason=words.reason,
        aim=words.aim,
        history=words.history,
        requesting_doctor=words.requesting_doctor,
        clinic=case.clinic,
        clinic_name=case.clinic_name or (node.config.node.name if case.clinic == node.id else case.clinic),
        requested_at=case.requested_at,
    )


def _read_words(texts: Texts, form: Digest) -> _FormWords:
    return msgspec.json.decode(texts.get(form), type=_FormWords)


def _read_study(database: Database, row: ReportRow) -> ReportedStudy:
    rows = read_as(
        database,
        ReportedStudy,
        f"SELECT {_STUDY} FROM study WHERE origin = ? AND study_uid = ?",
        (row.origin, row.study_uid),
    )
    if not rows:
        raise NotFound(f"Reading the study of report {row.report_id} failed: it is not here.")
    return rows[0]


def names_in(values: str) -> list[str]:
    """Read a JSON list of names, as `study.modalities` holds one."""
    return msgspec.json.decode(values or "[]", type=list[str])
