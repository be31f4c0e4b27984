"""Writing a report: the draft under its version, and the signature."""

from __future__ import annotations

import msgspec

from federation.consult.queries import draft_of
from federation.consult.writing import save_draft, sign
from node.reporting.reports import get_report
from web.api.reports import report_shape
from web.api.shapes import DraftSaved, DraftShape, ReportShape
from web.guard import Sees
from web.routes import EXPERT, Call, NoBody, route


class Words(msgspec.Struct):
    """What the editor holds, and the version that it was loaded at."""

    version: int
    findings: str
    impression: str


@route("GET /api/consults/{case_id}/draft", roles=EXPERT, sees=Sees.CASE)
def get_draft(call: Call[NoBody]) -> DraftShape:
    """Give the draft; an empty one at version 0 before the first save."""
    draft = draft_of(call.node, call.person, call.path["case_id"])
    return DraftShape(
        version=draft.version, findings=draft.findings, impression=draft.impression, at=draft.at
    )


@route("PUT /api/consults/{case_id}/draft", roles=EXPERT, sees=Sees.CASE, body=Words)
def put_draft(call: Call[Words]) -> DraftSaved:
    """Save the draft; another version there than the editor's is a conflict, and the words are kept."""
    body = call.body
    draft = save_draft(
        call.node,
        call.person,
        call.path["case_id"],
        version=body.version,
        findings=body.findings,
        impression=body.impression,
    )
    return DraftSaved(version=draft.version, at=draft.at)


@route("POST /api/consults/{case_id}/sign", roles=EXPERT, sees=Sees.CASE, body=Words)
def sign_report(call: Call[Words]) -> ReportShape:
    """Sign the report and send it home."""
    body = call.body
    report_id = sign(
        call.node,
        call.person,
        call.path["case_id"],
        version=body.version,
        findings=body.findings,
        impression=body.impression,
        address=call.address,
    )
    return report_shape(call.node, get_report(call.node.database, report_id))


ROUTES = (get_draft, put_draft, sign_report)
