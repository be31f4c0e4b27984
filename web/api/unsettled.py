"""Studies of which a rebuild could not know all corrections: listed, and settled by an administrator, one or all of them.

The list holds those that the caller sees; the number is of all, since an administrator settles all and may see none.
"""

from __future__ import annotations

from node.catalogue.search import StudyRow
from node.catalogue.unsettled import count_unsettled, settle_corrections, settle_every
from node.catalogue.visibility import visible_condition
from node.database.port import read_as
from node.names import NodeId, StudyKey, StudyUID
from web.api.shapes import Shape, Study
from web.api.showing import study_shapes
from web.guard import Sees
from web.routes import ADMINISTRATOR, TECHNICIAN, Call, NoBody, route

LISTED = 50


class Unsettled(Shape):
    """How many studies there are, and the newest that the caller sees."""

    studies: int
    items: list[Study]


class Settled(Shape):
    """Studies whose corrections count as known from now on, and how many are left."""

    studies: int
    left: int


class SettleBody(Shape):
    """Says yes to so many."""

    studies: int
    """As she was told; fewer may be marked by then, never more."""


@route("GET /api/unsettled", roles=ADMINISTRATOR | TECHNICIAN, sees=Sees.LIST)
def list_unsettled(call: Call[NoBody]) -> Unsettled:
    """Give the studies of which not all corrections are known."""
    node = call.node
    seen, params = visible_condition(node.id, call.caller.viewer, node.now())
    rows = read_as(
        node.database,
        StudyRow,
        f"SELECT * FROM study WHERE ({seen}) AND study.corrections_until IS NOT NULL ORDER BY study.last_at DESC LIMIT ?",
        (*params, LISTED),
    )
    return Unsettled(studies=count_unsettled(node.database), items=study_shapes(node, rows))


@route("POST /api/unsettled/{origin}/{study_uid}", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def settle_study(call: Call[NoBody]) -> Settled:
    """Say that what a study shows is right."""
    key = StudyKey(origin=NodeId(call.path["origin"]), study_uid=StudyUID(call.path["study_uid"]))
    done = settle_corrections(call.node, call.person, [key], address=call.address)
    return Settled(studies=done, left=count_unsettled(call.node.database))


@route("POST /api/unsettled", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=SettleBody)
def settle_every_study(call: Call[SettleBody]) -> Settled:
    """Say so of all of them, some hundred a call: the page asks again until none is left."""
    done = settle_every(call.node, call.person, told=call.body.studies, address=call.address)
    return Settled(studies=done, left=count_unsettled(call.node.database))


ROUTES = (list_unsettled, settle_study, settle_every_study)
