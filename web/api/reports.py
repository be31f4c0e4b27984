"""Signed reports with their words, their way to the PACS, and the PDF."""

from __future__ import annotations

from aiohttp import web

from node.errors import NotFound
from node.node import Node
from node.reporting.reports import ReportRow, get_report, signed_report
from web.api.deliveries import deliveries_of
from web.api.shapes import ReportShape
from web.guard import Sees
from web.routes import EXPERT, TECHNICIAN, Call, NoBody, route


@route("GET /api/reports/{report_id}", roles=TECHNICIAN | EXPERT, sees=Sees.REPORT)
def show_report(call: Call[NoBody]) -> ReportShape:
    """Give a report."""
    return report_shape(call.node, get_report(call.node.database, call.path["report_id"]))


@route("GET /api/reports/{report_id}/pdf", roles=TECHNICIAN | EXPERT, sees=Sees.REPORT)
def get_pdf(call: Call[NoBody]) -> web.StreamResponse:
    """Give a report as the PDF that is printed.

    Raises
    ------
    NotFound
        It is not made yet, or is made at the clinic only.
    """
    report = get_report(call.node.database, call.path["report_id"])
    if report.pdf_path is None:
        elsewhere = report.documents == "elsewhere"
        raise NotFound(
            "Reading the PDF failed: it is made at the clinic that asked. Open the report there."
            if elsewhere
            else "Reading the PDF failed: it is not made yet. Try again in a moment."
        )
    folder = (call.node.state / "documents").resolve()
    path = (call.node.state / report.pdf_path).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise NotFound(
            "Reading the PDF failed: its file is missing. Ask a node administrator to make it again."
        )
    return web.FileResponse(
        path,
        headers={
            "Content-Type": "application/pdf",
            "Content-Disposition": f'inline; filename="report-{report.report_id}.pdf"',
            "Cache-Control": "private, no-store",
        },
    )


def report_shape(node: Node, row: ReportRow) -> ReportShape:
    """Describe a report; words that were erased are empty."""
    try:
        words = signed_report(row, node.texts)
    except NotFound:
        words = None
    return ReportShape(
        report_id=row.report_id,
        case_id=row.case_id,
        origin=row.origin,
        study_uid=row.study_uid,
        state=row.state,
        findings="" if words is None else words.findings,
        impression="" if words is None else words.impression,
        signer_name=row.signer_name,
        signed_at=row.signed_at,
        reviewer_name=row.reviewer_name,
        late_cancel=row.late_cancel,
        documents=row.documents,
        deliveries=deliveries_of(node, row.report_id),
    )


ROUTES = (show_report, get_pdf)
