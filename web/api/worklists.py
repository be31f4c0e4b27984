"""Worklists of the hospital: what they said of the days to come, and what came back for it."""

from __future__ import annotations

from contextlib import suppress

from aiohttp import web

from node.clock import SECOND, Micros
from node.dimse.remote_form import Remote
from node.dimse.remotes import get_remote, list_remotes
from node.errors import GridError, Refused
from node.hospital.looking_ahead import asks, look
from node.hospital.looks import Look, day_asked_about, list_looks, local_now, next_due
from node.node import Node
from node.people.audit import record_act
from web.answers import json_answer
from web.api.shapes import Shape
from web.guard import Sees
from web.routes import ADMINISTRATOR, Call, NoBody, route

LOOKS = 3
"""Days of each that are shown."""


class LookShape(Shape):
    """What a worklist said of a day at the last look; ``state``: done, failed."""

    day: str
    """ISO 8601."""
    at: Micros
    state: str
    patients: int
    known: int
    """... of whom studies are held here."""
    studies: int
    """Asked back for them."""
    whole: bool
    unreadable: int
    """Answers that could not be read, or name nobody."""
    words: str


class WorklistShape(Shape):
    """A remote AE whose worklist is asked, and what came of it, the newest day first."""

    remote: str
    name: str
    enabled: bool
    looks: list[LookShape]


class WorklistList(Shape):
    """All of them."""

    items: list[WorklistShape]
    next_at: Micros | None
    """When they are asked next; none: never by themselves."""
    now: Micros


@route("GET /api/worklists", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def show_worklists(call: Call[NoBody]) -> WorklistList:
    """Give the worklists that are asked, and what they said."""
    node = call.node
    due = next_due(local_now(node), node.config.archive.worklist_at)
    return WorklistList(
        items=[_shape(node, one) for one in list_remotes(node.database) if one.worklist],
        next_at=None if due is None else round(due.timestamp()) * SECOND,
        now=node.now(),
    )


@route("POST /api/worklists/{id}/ask", roles=ADMINISTRATOR, sees=Sees.NOTHING)
async def ask_now(call: Call[NoBody]) -> web.StreamResponse:
    """Ask one at once about the day that is next; that it fails is an answer, not an error of ours."""
    return json_answer(await call.around.calls.run(lambda: _ask(call)))


def _ask(call: Call[NoBody]) -> WorklistShape:
    node = call.node
    remote = get_remote(node.database, call.path["id"])
    if not asks(remote):
        raise Refused(
            f"Asking {remote.name} was refused: it is off, or no worklist is asked there. Tick Worklist at the remote AE."
        )
    node.write(
        [
            record_act(
                node, call.person, act="ask-worklist", subject=f"remote/{remote.id}", address=call.address
            )
        ]
    )
    with suppress(GridError):  # what went wrong is noted, and shown
        look(node, remote, day_asked_about(node))
    return _shape(node, remote)


def _shape(node: Node, remote: Remote) -> WorklistShape:
    return WorklistShape(
        remote=remote.id,
        name=remote.name,
        enabled=remote.enabled,
        looks=[_look(one) for one in list_looks(node.database, remote.id, limit=LOOKS)],
    )


def _look(one: Look) -> LookShape:
    return LookShape(
        day=one.day,
        at=one.at,
        state=one.state,
        patients=one.patients,
        known=one.known,
        studies=one.studies,
        whole=bool(one.whole),
        unreadable=one.unreadable,
        words=one.words,
    )


ROUTES = (show_worklists, ask_now)
