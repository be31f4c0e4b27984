"""Signing in and out, one's own password, and the first account."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from node.config import Config
from node.people.accounts import Person, any_account
from node.people.first_start import use_setup_link
from node.people.sessions import end_others, end_session, open_session, resolve_session
from node.people.sign_in import authenticate, change_password
from web.answers import json_answer
from web.api.shapes import DicomShape, Me, NodeShape, PersonShape
from web.auth import Caller, cookie_name
from web.guard import Sees
from web.routes import ANYBODY, SIGNED_IN, Call, NoBody, route

Typed = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class SignIn(msgspec.Struct):
    """What the sign-in form sends."""

    user: Typed
    password: Typed


class NewPassword(msgspec.Struct):
    """The present password and the next."""

    old: Typed
    new: Typed


class Setup(msgspec.Struct):
    """The first account, with the link's token."""

    token: Typed
    user: Typed
    name: Typed
    password: Typed


@route("GET /api/me", roles=ANYBODY, sees=Sees.NOTHING, before_change=True)
def get_me(call: Call[NoBody]) -> Me:
    """Say who is signed in; null for nobody."""
    return me(call, call.caller)


@route("POST /api/session", roles=ANYBODY, sees=Sees.NOTHING, body=SignIn, before_change=True, heavy=True)
def sign_in(call: Call[SignIn]) -> web.Response:
    """Open a session; attempts of one address are limited before the password is looked at."""
    call.around.attempts.take(call.address)
    person = authenticate(call.node, call.body.user, password=call.body.password, address=call.address)
    call.around.attempts.forgive(call.address)
    return signed_in(call, person)


@route("DELETE /api/session", roles=SIGNED_IN, sees=Sees.NOTHING, before_change=True)
def sign_out(call: Call[NoBody]) -> web.Response:
    """End the session here; its cookie is worth nothing from then on."""
    end_session(call.node, call.caller.token)
    answer = json_answer(me(call, Caller()))
    answer.del_cookie(cookie_name(call.node.id), path="/")
    return answer


@route("DELETE /api/sessions", roles=SIGNED_IN, sees=Sees.NOTHING)
def sign_out_elsewhere(call: Call[NoBody]) -> None:
    """End one's own sessions at other places."""
    if call.caller.session is not None:
        end_others(call.node, call.caller.session)


@route(
    "POST /api/password", roles=SIGNED_IN, sees=Sees.NOTHING, body=NewPassword, before_change=True, heavy=True
)
def set_password(call: Call[NewPassword]) -> Me:
    """Replace one's own password; other sessions end."""
    call.around.attempts.take(call.address)
    session = call.caller.session
    change_password(
        call.node,
        call.person,
        old=call.body.old,
        new=call.body.new,
        keep=session.token_digest if session is not None else "",
        address=call.address,
    )
    call.around.attempts.forgive(call.address)
    return me(call, Caller(session=resolve_session(call.node, call.caller.token), token=call.caller.token))


@route(
    "POST /api/setup",
    roles=ANYBODY,
    sees=Sees.NOTHING,
    body=Setup,
    status=201,
    before_change=True,
    heavy=True,
)
def set_up(call: Call[Setup]) -> web.Response:
    """Make the first account with the one-time link that the node printed, and sign it in."""
    call.around.attempts.take(call.address)
    body = call.body
    person = use_setup_link(
        call.node, body.token, user=body.user, name=body.name, password=body.password, address=call.address
    )
    return signed_in(call, person)


def signed_in(call: Call[SignIn] | Call[Setup], person: Person) -> web.Response:
    """Open a session and hand its token over in a cookie that no script reads.

    Source: RFC 6265bis 4.1.2 (HttpOnly, SameSite, Secure).
    """
    token = open_session(call.node, person, address=call.address)
    answer = json_answer(me(call, Caller(session=resolve_session(call.node, token), token=token)))
    answer.set_cookie(
        cookie_name(call.node.id),
        token,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=call.request.secure or call.node.config.web.origin.startswith("https:"),
    )
    return answer


def me(call: Call[SignIn] | Call[Setup] | Call[NoBody] | Call[NewPassword], caller: Caller) -> Me:
    """Describe a caller to the client."""
    section = call.node.config.node
    return Me(
        node=NodeShape(
            id=section.id,
            name=section.name,
            zone=section.zone,
            language=section.language,
            dicom=None if caller.person is None else dicom_shape(call.node.config),
        ),
        person=None if caller.person is None else person_shape(caller.person),
        csrf=caller.csrf,
        setup=caller.person is None and not any_account(call.node.database),
        now=call.node.now(),
    )


def dicom_shape(config: Config) -> DicomShape:
    """Tell where devices send; an address that stands for all of them is left to the page's own."""
    everywhere = config.dicom.host in ("", "0.0.0.0", "::")  # noqa: S104 (compared, not bound)
    return DicomShape(aet=config.aet, host="" if everywhere else config.dicom.host, port=config.dicom.port)


def person_shape(person: Person) -> PersonShape:
    """Describe a person to the client."""
    return PersonShape(
        id=person.id,
        user=person.user,
        name=person.name,
        roles=sorted(person.roles),
        must_change=person.must_change,
    )


ROUTES = (get_me, sign_in, sign_out, sign_out_elsewhere, set_password, set_up)
