"""A signed report's documents: made once at the clinic, from the signed text.

Both are files that are written once, so that a later run gives the same bytes
even when more images have come; the SR enters the store by the same door as
everything else. Each step finds its own work done, so the job may be
run again from the start after a crash anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from node.canonical import digest_of
from node.clock import Micros
from node.database.port import Statement, read_as
from node.dimse.remotes import list_remotes
from node.durable import put_file
from node.errors import Conflict
from node.events import Event
from node.journal.jobs import enqueue
from node.names import Cause, NodeId, StudyUID, Subject
from node.node import Node
from node.reporting.content import ReportContent, read_content
from node.reporting.pdf import make_pdf
from node.reporting.reports import ReportRow, get_report
from node.reporting.structured_report import (
    BASIC_TEXT_SR,
    EXPLICIT_LE,
    Evidence,
    StructuredReport,
    make_sr,
    read_part10,
)
from node.store.facts import AssociationFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsMade(Event):
    """A report's PDF and SR are here. Subject ``documents/REPORT``. Version 1 did not say which destinations those are."""

    VERSION: ClassVar[int] = 2
    EARLIER: ClassVar[tuple[int, ...]] = (1,)
    sr_uid: str
    pdf_bytes: int
    sr_bytes: int
    destinations: int
    """How many will be sent to."""
    to: tuple[str, ...] = ()
    """Their ids."""


def make_documents(node: Node, report_id: str) -> None:
    """Make the PDF and the SR of a report, and ask for the deliveries; done already, it does nothing.

    Raises
    ------
    NotFound
        The report, its study or its words are not here.
    Unavailable
        The disk is full; the job is tried again.
    """
    row, content = read_content(node, report_id)
    if row.documents != "waiting":
        return
    sr = keep_sr(node, row, content)
    pdf = pdf_path(node, report_id)
    if not pdf.exists():
        _keep(pdf, make_pdf(content))
    _store(node, row, content, sr)
    _finish(node, row, sr_bytes=len(sr.part10), pdf_bytes=pdf.stat().st_size)


def keep_sr(node: Node, row: ReportRow, content: ReportContent | None = None) -> StructuredReport:
    """Give a report's SR: as it was first written, else written now."""
    path = sr_path(node, row.report_id)
    if path.exists():
        return read_part10(path.read_bytes())
    if content is None:
        _, content = read_content(node, row.report_id)
    sr = make_sr(content, _evidence(node, row))
    _keep(path, sr.part10)
    return sr


def pdf_path(node: Node, report_id: str) -> Path:
    """Give where a report's PDF lies."""
    return node.state / "documents" / f"{report_id}.pdf"


def sr_path(node: Node, report_id: str) -> Path:
    """Give where a report's SR lies, as a DICOM file."""
    return node.state / "documents" / f"{report_id}.dcm"


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    put_file(path, content)


def _evidence(node: Node, row: ReportRow) -> list[Evidence]:
    """Give the instances that there were to read: the chosen ones, other reports left out."""
    return read_as(
        node.database,
        Evidence,
        "SELECT series_uid, sop_class, sop_uid FROM instance WHERE origin = ? AND study_uid = ?"
        " AND state = 'chosen' AND door <> 'report'",
        (row.origin, row.study_uid),
    )


def _store(node: Node, row: ReportRow, content: ReportContent, sr: StructuredReport) -> None:
    """Let the SR in by the same door as images; twice is harmless, the same data set is counted and dropped."""
    digest = digest_of(sr.data_set)
    here = node.database.read(
        "SELECT 1 FROM instance WHERE origin = ? AND study_uid = ? AND sop_uid = ? AND digest = ?",
        (row.origin, row.study_uid, row.sr_uid, digest),
    )
    if here:
        return
    facts = AssociationFacts(
        calling=f"report/{row.report_id}",
        called=node.config.aet,
        address="",
        certificate="",
        rule="",
        rule_version=0,
        issuer=content.study.patient_issuer,
        trust_issuer=False,
        department=content.study.department,
        transfer_syntax=EXPLICIT_LE,
        received_at=node.now(),
        origin=NodeId(row.origin),
        study_uid=StudyUID(row.study_uid),
        door="report",
        cause=row.cause,
    )
    writer = node.packs.open_writer(study_uid=row.study_uid, cause=row.cause)
    try:
        writer.append(
            facts, sop_class=BASIC_TEXT_SR, sop_uid=row.sr_uid, file_meta=sr.file_meta, data_set=sr.data_set
        )
    finally:
        writer.close()
    node.bell.ring()


def _finish(node: Node, row: ReportRow, *, sr_bytes: int, pdf_bytes: int) -> None:
    """Say that the documents are made, and ask for one delivery to each destination, in one batch."""
    wanted = [one.id for one in list_remotes(node.database) if one.enabled and one.reports]
    event = DocumentsMade(
        sr_uid=row.sr_uid,
        pdf_bytes=pdf_bytes,
        sr_bytes=sr_bytes,
        destinations=len(wanted),
        to=tuple(wanted),
    )
    subject, now = Subject(f"documents/{row.report_id}"), node.now()
    statements = [
        *node.journal.append(subject, [event], after=0, cause=row.cause, at=now),
        *made_rows(row.report_id, event, at=now, cause=row.cause),
        *(ask_delivery(delivery_id(row.report_id, to), cause=row.cause, now=now) for to in wanted),
    ]
    try:
        node.write(statements, f"documents/{row.report_id}")
    except Conflict:
        if get_report(node.database, row.report_id).documents != "made":  # else another worker was as far
            raise


def made_rows(report_id: str, event: DocumentsMade, *, at: Micros, cause: Cause) -> list[Statement]:
    """Give the statements for what the event means: the documents are here, and a delivery waits for each destination."""
    made = Statement(
        "UPDATE report SET documents = 'made', pdf_path = ? WHERE report_id = ? AND documents = 'waiting'",
        (f"documents/{report_id}.pdf", report_id),
        expect=1,
    )
    return [made, *(insert_delivery(report_id, to, at=at, cause=cause) for to in event.to)]


def insert_delivery(
    report_id: str, destination: str, *, at: Micros, cause: Cause, id_: str = ""
) -> Statement:
    """Give the statement for one report's delivery to one destination, which nobody has tried yet.

    Parameters
    ----------
    id_
        Its name, where an event has it and the destination is not known any more.
    """
    return Statement(
        "INSERT INTO delivery (id, report_id, destination, kind, state, attempts, next_at, last_error, cause)"
        " VALUES (?, ?, ?, 'sr', 'waiting', 0, ?, '', ?)",
        (id_ or delivery_id(report_id, destination), report_id, destination, at, cause),
    )


def ask_delivery(id_: str, *, cause: Cause, now: Micros) -> Statement:
    """Give the statement that asks for a delivery's first attempt."""
    return enqueue("deliver", {"delivery_id": id_}, key=f"deliver/{id_}/0", cause=cause, now=now)


def delivery_id(report_id: str, destination: str) -> str:
    """Give the name of a report's delivery to a destination."""
    return digest_of(f"{report_id}/{destination}/sr")[:32]
