"""Studies on their way to and from remote AEs: asked for, watched, stopped, tried again."""

from __future__ import annotations

import msgspec

from node.clock import Micros
from node.errors import FieldMissing
from node.names import NodeId, StudyKey, StudyUID
from node.transfers.transfers import (
    Transfer,
    ask_retrieve,
    ask_send,
    get_transfer,
    stop_transfer,
    try_again,
)
from node.transfers.transfers import list_transfers as find_transfers
from web.api.shapes import Shape
from web.guard import Sees
from web.routes import TECHNICIAN, Call, NoBody, route

MOST_AT_ONCE = 200


class TransferShape(Shape):
    """One study sent or fetched; ``words`` say why it is not done."""

    id: str
    kind: str
    remote: str
    remote_name: str
    origin: str
    study_uid: str
    series: int
    """How many were chosen; 0: the whole study."""
    label: str
    by_name: str
    state: str
    stopping: bool
    asked: int | None
    done: int
    warned: int
    failed: int
    bytes: int
    words: str
    attempts: int
    next_at: Micros
    at: Micros
    began_at: Micros | None
    ended_at: Micros | None
    seen_at: Micros


class Transfers(Shape):
    """The newest; ``now`` is the node's clock, by which rates are told."""

    items: list[TransferShape]
    now: Micros


class SendBody(Shape):
    """Which study goes where; without series all of it."""

    origin: str = ""
    study_uid: str = ""
    remote: str = ""
    series: list[str] = msgspec.field(default_factory=list)


class WantedStudy(Shape):
    """A study to fetch, and what to call it until it is here."""

    study_uid: str
    label: str = ""
    series: list[str] = msgspec.field(default_factory=list)


class RetrieveBody(Shape):
    """What to fetch from where."""

    remote: str = ""
    studies: list[WantedStudy] = msgspec.field(default_factory=list)


@route("GET /api/transfers", roles=TECHNICIAN, sees=Sees.LIST)
def list_transfers(call: Call[NoBody]) -> Transfers:
    """Give this node's own studies on their way, those that go on first."""
    study_uid = call.query.get("study", "")
    key = StudyKey(origin=call.node.id, study_uid=StudyUID(study_uid)) if study_uid else None
    found = find_transfers(call.node.database, study=key)
    return Transfers(items=[_shape(one) for one in found if one.origin == call.node.id], now=call.node.now())


@route("POST /api/transfers/send", roles=TECHNICIAN, sees=Sees.BODY, body=SendBody, status=201)
def send(call: Call[SendBody]) -> TransferShape:
    """Send a study, or series of it, to a remote AE."""
    body = call.body
    key = StudyKey(origin=NodeId(body.origin), study_uid=StudyUID(body.study_uid))
    made = ask_send(
        call.node,
        call.person,
        key,
        body.remote,
        series_uids=body.series,
        name=call.person.name,
        address=call.address,
    )
    return _shape(made)


@route("POST /api/transfers/retrieve", roles=TECHNICIAN, sees=Sees.NOTHING, body=RetrieveBody, status=201)
def retrieve(call: Call[RetrieveBody]) -> Transfers:
    """Fetch studies from a remote AE."""
    if not 0 < len(call.body.studies) <= MOST_AT_ONCE:
        raise FieldMissing(f"Retrieving was refused: choose 1 to {MOST_AT_ONCE} studies.", name="studies")
    made = [
        ask_retrieve(
            call.node,
            call.person,
            one.study_uid,
            call.body.remote,
            series_uids=one.series,
            label=one.label,
            name=call.person.name,
            address=call.address,
        )
        for one in call.body.studies
    ]
    return Transfers(items=[_shape(one) for one in made], now=call.node.now())


@route("POST /api/transfers/{id}/stop", roles=TECHNICIAN, sees=Sees.TRANSFER)
def stop(call: Call[NoBody]) -> TransferShape:
    """End a transfer; what has gone or come stays."""
    return _shape(stop_transfer(call.node, call.person, call.path["id"], address=call.address))


@route("POST /api/transfers/{id}/again", roles=TECHNICIAN, sees=Sees.TRANSFER)
def again(call: Call[NoBody]) -> TransferShape:
    """Carry out once more what failed or was ended."""
    get_transfer(call.node.database, call.path["id"])
    return _shape(try_again(call.node, call.person, call.path["id"], address=call.address))


def _shape(one: Transfer) -> TransferShape:
    return TransferShape(
        id=one.id,
        kind=one.kind,
        remote=one.remote,
        remote_name=one.remote_name,
        origin=one.origin,
        study_uid=one.study_uid,
        series=len(one.series_uids),
        label=one.label,
        by_name=one.by_name,
        state=one.state,
        stopping=one.stop and one.state == "running",
        asked=one.asked,
        done=one.done,
        warned=one.warned,
        failed=one.failed,
        bytes=one.bytes,
        words=one.words,
        attempts=one.attempts,
        next_at=one.next_at,
        at=one.at,
        began_at=one.began_at,
        ended_at=one.ended_at,
        seen_at=one.seen_at,
    )


ROUTES = (list_transfers, send, retrieve, stop, again)
