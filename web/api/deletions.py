"""Final deletions, for administrators: what may go, what is asked for and approved by another, and the certificates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from aiohttp import web

from node.archive.deletion.certificate import certificate_text, read_certificate
from node.archive.deletion.certificate_page import STYLE_HASH, certificate_page
from node.archive.deletion.deleting import STANDS, approve_deletion, ask_deletion, withdraw_deletion
from node.archive.deletion.deletions import (
    ASKED,
    DONE,
    GONE,
    KEPT,
    Deletion,
    answers_of,
    get_deletion,
    list_deletions,
    steps_of,
)
from node.archive.deletion.going import past_retention, what_goes
from node.errors import NotFound
from node.names import Digest, NodeId, StudyKey, StudyUID
from node.node import Node
from web.api.deletion_shapes import (
    ApproveBody,
    AskBody,
    DeletionShape,
    DeletionsShape,
    GoingShape,
    LeftShape,
    Named,
    PastShape,
    PeerShape,
    StudyBody,
)
from web.api.shapes import Study
from web.api.showing import visible_studies
from web.guard import Sees
from web.routes import ADMINISTRATOR, Call, NoBody, route

LISTED = 200
B = TypeVar("B")


@route("GET /api/archive/deletions", roles=ADMINISTRATOR, sees=Sees.LIST)
def show_deletions(call: Call[NoBody]) -> DeletionsShape:
    """Give what may be deleted and what was asked for; the words of a patient only of studies that the caller sees."""
    node = call.node
    past = past_retention(node)
    listed = {
        name: list_deletions(node.database, states=states, limit=LISTED)
        for name, states in (("asked", (ASKED,)), ("going", (GONE,)), ("done", (DONE, KEPT)))
    }
    standing = [one for one in listed["asked"] if one.asked_at > node.now() - STANDS]
    seen = _seen(call, [*(one.key for one in past), *(one.key for one in standing)])
    return DeletionsShape(
        past=[
            PastShape(
                study=_named(one.key, seen, instances=one.instances, size=one.bytes),
                since=one.since,
                rule=one.rule,
            )
            for one in past
        ],
        asked=[_shape(call, one, seen) for one in standing],
        going=[_shape(call, one, seen) for one in listed["going"]],
        done=[_shape(call, one, seen) for one in listed["done"]],
        now=node.now(),
    )


@route("POST /api/archive/deletions/preview", roles=ADMINISTRATOR, sees=Sees.LIST, body=StudyBody)
def preview_deletion(call: Call[StudyBody]) -> GoingShape:
    """Say what would go with a study, from where, and who is told; nothing is written."""
    key = _key(call.body)
    going = what_goes(call.node, key)
    kept = going.retention
    return GoingShape(
        study=_named(key, _seen(call, [key]), instances=going.instances, size=going.bytes),
        series=going.series,
        packs=going.packs,
        stores=list(going.stores),
        reports=going.reports,
        cases=going.cases,
        peers=list(going.peers),
        rule=kept.rule,
        years=kept.years,
        until=kept.until,
        over=kept.over,
        barred=going.barred,
    )


@route("POST /api/archive/deletions", roles=ADMINISTRATOR, sees=Sees.LIST, body=AskBody, status=201)
def ask(call: Call[AskBody]) -> DeletionShape:
    """Ask that a study be deleted for good; another administrator must approve."""
    body = call.body
    asked = ask_deletion(
        call.node, call.person, _key(body), code=body.code, words=body.words, address=call.address
    )
    return _shape(call, asked, _seen(call, [asked.key]))


@route("POST /api/archive/deletions/{id}/approve", roles=ADMINISTRATOR, sees=Sees.LIST, body=ApproveBody)
def approve(call: Call[ApproveBody]) -> DeletionShape:
    """Delete a study for good, as another administrator asked."""
    done = approve_deletion(
        call.node, call.person, call.path["id"], instances=call.body.instances, address=call.address
    )
    return _shape(call, done, {})


@route("POST /api/archive/deletions/{id}/withdraw", roles=ADMINISTRATOR, sees=Sees.LIST)
def withdraw(call: Call[NoBody]) -> DeletionShape:
    """Take a request back."""
    withdrawn = withdraw_deletion(call.node, call.person, call.path["id"], address=call.address)
    return _shape(call, withdrawn, _seen(call, [withdrawn.key]))


@route("GET /api/archive/deletions/{id}/certificate", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def get_certificate(call: Call[NoBody]) -> web.StreamResponse:
    """Give the signed file."""
    deletion = get_deletion(call.node.database, call.path["id"])
    return web.Response(
        body=certificate_text(call.node, deletion).encode(),
        headers={
            "Content-Type": "application/json; charset=utf-8",
            "Content-Disposition": f'attachment; filename="deletion-{deletion.id}.json"',
        },
    )


@route("GET /api/archive/deletions/{id}/certificate.html", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def get_certificate_page(call: Call[NoBody]) -> web.StreamResponse:
    """Give the certificate as a page to be printed."""
    deletion = get_deletion(call.node.database, call.path["id"])
    certificate = read_certificate(certificate_text(call.node, deletion))
    return web.Response(
        text=certificate_page(certificate, language="en" if call.query.get("language") == "en" else "zh"),
        content_type="text/html",
        charset="utf-8",
        headers={
            "Content-Security-Policy": f"default-src 'none'; style-src '{STYLE_HASH}'; frame-ancestors 'none'"
        },
    )


def _key(body: StudyBody) -> StudyKey:
    return StudyKey(origin=NodeId(body.origin), study_uid=StudyUID(body.study_uid))


def _seen(call: Call[B], keys: Iterable[StudyKey]) -> Mapping[StudyKey, Study]:
    return visible_studies(call.node, call.caller.viewer, keys)


def _named(key: StudyKey, seen: Mapping[StudyKey, Study], *, instances: int, size: int) -> Named:
    study = seen.get(key)
    return Named(
        origin=key.origin,
        study_uid=key.study_uid,
        label="" if study is None else f"{study.patient_name}\t{study.patient_id}",
        modalities=[] if study is None else study.modalities,
        instances=instances,
        bytes=size,
    )


def _shape(call: Call[B], one: Deletion, seen: Mapping[StudyKey, Study]) -> DeletionShape:
    node = call.node
    return DeletionShape(
        study=_named(one.key, seen, instances=one.instances, size=one.bytes),
        id=one.id,
        state=one.state,
        code=one.code,
        words=_words(node, one),
        asked_by=one.asked_name,
        asked_at=one.asked_at,
        stands_until=one.asked_at + STANDS,
        ended_by=one.ended_name,
        ended_at=one.ended_at,
        done_at=one.done_at,
        issue=one.issue,
        left=_left(node, one),
        peers=[
            PeerShape(peer=answer.peer, state=answer.state, code=answer.code, at=answer.at)
            for answer in answers_of(node.database, one.id)
        ],
        mine=one.asked_by == call.person.id,
    )


def _words(node: Node, one: Deletion) -> str:
    try:
        return node.texts.get(Digest(one.words)) if one.words else ""
    except NotFound:
        return ""


def _left(node: Node, one: Deletion) -> list[LeftShape]:
    if one.state != GONE:
        return []
    found: dict[tuple[str, str], tuple[int, str]] = {}
    for step in steps_of(node.database, one.id):
        if step.state != "done":
            things, words = found.get((step.kind, step.store), (0, ""))
            found[step.kind, step.store] = things + 1, words or step.words
    return [
        LeftShape(kind=kind, store=store, things=things, words=words)
        for (kind, store), (things, words) in found.items()
    ]


ROUTES = (
    show_deletions,
    preview_deletion,
    ask,
    approve,
    withdraw,
    get_certificate,
    get_certificate_page,
)
