"""Consult cases: asked for and cancelled by a clinic; claimed, released and declined by experts."""

from __future__ import annotations

from typing import cast, get_args

import msgspec

from federation.consult import commands
from federation.consult.forms import Consent, ConsultForm
from federation.consult.queries import Box, find_cases, get_case_shown
from node.errors import InvalidRequest
from web.api.shapes import Case, Cases, Shape
from web.api.showing import case_shapes
from web.guard import Sees
from web.routes import EXPERT, TECHNICIAN, Call, NoBody, route


class ConsentBody(Shape):
    """Who agreed; empty fields are refused by name when the form is checked."""

    who: str = ""
    at: str = ""
    how: str = ""


class ConsultBody(Shape):
    """What the request form sends; only the study is needed to know who may ask at all."""

    origin: str
    study_uid: str
    kind: str = ""
    reason: str = ""
    aim: str = ""
    history: str = ""
    urgency: str = ""
    specialty: str = ""
    pool: str = ""
    requesting_doctor: str = ""
    consent: ConsentBody = msgspec.field(default_factory=ConsentBody)
    acknowledge_incomplete: bool = False


class Reason(msgspec.Struct):
    """Why, in somebody's words."""

    reason: str = ""


@route("POST /api/consults", roles=TECHNICIAN, sees=Sees.BODY, body=ConsultBody, status=201)
def request_consult(call: Call[ConsultBody]) -> Case:
    """Ask an expert pool about a study of this node."""
    body = call.body
    form = ConsultForm(
        origin=body.origin,
        study_uid=body.study_uid,
        kind=body.kind,
        urgency=body.urgency,
        reason=body.reason,
        aim=body.aim,
        history=body.history,
        specialty=body.specialty,
        pool=body.pool,
        requesting_doctor=body.requesting_doctor,
        consent=Consent(who=body.consent.who, at=body.consent.at, how=body.consent.how),
        acknowledge_incomplete=body.acknowledge_incomplete,
    )
    case_id = commands.request_consult(call.node, call.person, form=form, address=call.address)
    return _case(call, case_id)


@route("GET /api/consults", roles=TECHNICIAN | EXPERT, sees=Sees.LIST)
def list_consults(call: Call[NoBody]) -> Cases:
    """Give one box: sent, queue, mine or done."""
    box = call.query.get("box", "queue")
    if box not in get_args(Box):
        raise InvalidRequest(f"Reading cases was refused: box must be one of {', '.join(get_args(Box))}.")
    shown = find_cases(call.node, call.person, box=cast("Box", box))
    return Cases(items=case_shapes(call.node, call.caller.viewer, shown))


@route("GET /api/consults/{case_id}", roles=TECHNICIAN | EXPERT, sees=Sees.CASE)
def get_consult(call: Call[NoBody]) -> Case:
    """Give a case."""
    return _case(call, call.path["case_id"])


@route("POST /api/consults/{case_id}/cancel", roles=TECHNICIAN, sees=Sees.CASE, body=Reason)
def cancel_consult(call: Call[Reason]) -> Case:
    """Ask the pool's home to end a case; it counts when home has accepted it."""
    case_id = call.path["case_id"]
    commands.cancel_consult(call.node, call.person, case_id, reason=call.body.reason, address=call.address)
    return _case(call, case_id)


@route("POST /api/consults/{case_id}/claim", roles=EXPERT, sees=Sees.CASE)
def claim_case(call: Call[NoBody]) -> Case:
    """Take a case; a second expert is told who has it and until when."""
    commands.claim(call.node, call.person, call.path["case_id"], address=call.address)
    return _case(call, call.path["case_id"])


@route("POST /api/consults/{case_id}/renew", roles=EXPERT, sees=Sees.CASE)
def renew_claim(call: Call[NoBody]) -> Case:
    """Hold a claim for longer, while its page is open."""
    commands.renew(call.node, call.person, call.path["case_id"])
    return _case(call, call.path["case_id"])


@route("POST /api/consults/{case_id}/release", roles=EXPERT, sees=Sees.CASE, body=Reason)
def release_case(call: Call[Reason]) -> Case:
    """Give a case back to its pool."""
    case_id = call.path["case_id"]
    commands.release(call.node, call.person, case_id, reason=call.body.reason, address=call.address)
    return _case(call, case_id)


@route("POST /api/consults/{case_id}/decline", roles=EXPERT, sees=Sees.CASE, body=Reason)
def decline_case(call: Call[Reason]) -> Case:
    """Say no for the pool, with a reason."""
    case_id = call.path["case_id"]
    commands.decline(call.node, call.person, case_id, reason=call.body.reason, address=call.address)
    return _case(call, case_id)


def _case(call: Call[NoBody] | Call[Reason] | Call[ConsultBody], case_id: str) -> Case:
    """Describe a case as it stands after the call; an act may have ended the caller's sight of its study."""
    return case_shapes(call.node, call.caller.viewer, [get_case_shown(call.node, case_id)])[0]


ROUTES = (
    request_consult,
    list_consults,
    get_consult,
    cancel_consult,
    claim_case,
    renew_claim,
    release_case,
    decline_case,
)
