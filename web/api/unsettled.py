"""Studies of which a rebuild could not know all corrections, settled by an administrator: one, or all of them.

Which they are, the study list shows to whom it shows studies; here nothing of them is told.
"""

from __future__ import annotations

from node.catalogue.unsettled import settle_corrections, unsettled_studies
from node.names import NodeId, StudyKey, StudyUID
from web.api.shapes import Shape
from web.guard import Sees
from web.routes import ADMINISTRATOR, Call, NoBody, route


class Settled(Shape):
    """Studies whose corrections count as known from now on."""

    studies: int


@route("POST /api/unsettled/{origin}/{study_uid}", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def settle_study(call: Call[NoBody]) -> Settled:
    """Say that what a study shows is right."""
    key = StudyKey(origin=NodeId(call.path["origin"]), study_uid=StudyUID(call.path["study_uid"]))
    return Settled(studies=settle_corrections(call.node, call.person, [key], address=call.address))


@route("POST /api/unsettled", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def settle_every_study(call: Call[NoBody]) -> Settled:
    """Say so of all of them."""
    keys = [key for key, _ in unsettled_studies(call.node.database)]
    return Settled(studies=settle_corrections(call.node, call.person, keys, address=call.address))


ROUTES = (settle_study, settle_every_study)
