"""DELETE: instances are rejected, not erased; whoever may can restore them.

Source: IHE RAD TF-3 4.66 (reasons of rejection); DICOM PS3.16 CID 7011. The standard has no transaction that deletes.
"""

from __future__ import annotations

from aiohttp import web

from node.catalogue.correction_drafts import QUALITY, draft_rejection
from node.catalogue.corrections import make_correction
from web.dicomweb.held import find_held
from web.dicomweb.roots import OWN_ROOT
from web.guard import Sees
from web.routes import TECHNICIAN, Call, NoBody, route

_STUDY = f"{OWN_ROOT}/studies/{{study_uid}}"
SAID = "DELETE by DICOMweb"
"""The words of a rejection whose sender gave none by ``comment``."""


@route(f"DELETE {_STUDY}", roles=TECHNICIAN, sees=Sees.OWN)
def reject_study(call: Call[NoBody]) -> web.Response:
    """Reject all instances of a study."""
    return _reject(call)


@route(f"DELETE {_STUDY}/series/{{series_uid}}", roles=TECHNICIAN, sees=Sees.OWN)
def reject_series(call: Call[NoBody]) -> web.Response:
    """Reject all instances of a series."""
    return _reject(call)


@route(f"DELETE {_STUDY}/series/{{series_uid}}/instances/{{sop_uid}}", roles=TECHNICIAN, sees=Sees.OWN)
def reject_instance(call: Call[NoBody]) -> web.Response:
    """Reject one instance."""
    return _reject(call)


def _reject(call: Call[NoBody]) -> web.Response:
    series_uid, sop_uid = call.path.get("series_uid", ""), call.path.get("sop_uid", "")
    find_held(call.node, call.study, series_uid=series_uid, sop_uid=sop_uid)
    draft = draft_rejection(
        call.node,
        call.study,
        series_uid=series_uid,
        sop_uids=[sop_uid] if sop_uid else [],
        code=call.query.get("reason", QUALITY),
    )
    make_correction(
        call.node, call.person, draft, reason=call.query.get("comment", SAID), address=call.address
    )
    return web.Response(status=204)


ROUTES = (reject_study, reject_series, reject_instance)
