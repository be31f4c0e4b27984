"""Studies: the list that filters as one types, one study's page, and its story."""

from __future__ import annotations

from federation.consult.queries import cases_of
from node.catalogue.search import (
    SeriesRow,
    conflicts_of,
    count_visible,
    find_visible,
    peek_study,
    series_found,
)
from node.catalogue.visibility import visible_condition
from node.errors import InvalidRequest, NotFound
from node.events import InstanceConflictFound, decode
from node.names import StudyKey
from node.node import Node
from node.reporting.reports import reports_of
from node.story import tell_story
from web.api.reports import report_shape
from web.api.shapes import InstanceConflict, Series, Story, StoryEvent, Studies, StudyPage
from web.api.showing import case_shapes, study_shapes
from web.guard import NOT_HERE, Sees
from web.routes import EXPERT, TECHNICIAN, Call, NoBody, route

PAGE = 100
PAGE_LIMIT = 500


@route("GET /api/studies", roles=TECHNICIAN | EXPERT, sees=Sees.LIST)
def list_studies(call: Call[NoBody]) -> Studies:
    """Give one page of the studies that the caller sees, newest first."""
    database, condition = (
        call.node.database,
        visible_condition(call.node.id, call.caller.viewer, call.node.now()),
    )
    words, state, limit = call.query.get("text", ""), call.query.get("state", ""), _limit(call)
    rows = find_visible(
        database, condition, text=words, state=state, limit=limit + 1, before=call.query.get("before", "")
    )
    page = rows[:limit]
    return Studies(
        items=study_shapes(call.node, page),
        next=page[-1].page if len(rows) > limit else None,
        total=count_visible(database, condition, text=words, state=state),
    )


@route("GET /api/studies/{origin}/{study_uid}", roles=TECHNICIAN | EXPERT, sees=Sees.STUDY)
def get_study(call: Call[NoBody]) -> StudyPage:
    """Give everything a study's page shows."""
    node, key = call.node, call.study
    row = peek_study(node.database, key)
    if row is None:
        raise NotFound(NOT_HERE)
    return StudyPage(
        study=study_shapes(node, [row])[0],
        series=[_series(one) for one in series_found(node.database, key)],
        cases=case_shapes(node, call.caller.viewer, cases_of(node.database, key)),
        reports=[report_shape(node, row) for row in reports_of(node.database, key)],
        conflicts=_conflicts(node, key),
        dicomweb="/dicomweb" if key.origin == node.id else f"/dicomweb/from/{key.origin}",
    )


@route("GET /api/studies/{origin}/{study_uid}/story", roles=TECHNICIAN | EXPERT, sees=Sees.STUDY)
def get_story(call: Call[NoBody]) -> Story:
    """Tell a study's journey on this node."""
    return Story(
        events=[
            StoryEvent(
                at=fact.at,
                node=fact.node,
                what=fact.what,
                who=fact.who,
                detail=dict(fact.detail),
                bytes=fact.bytes,
            )
            for fact in tell_story(call.node, call.study).facts
        ]
    )


def _limit(call: Call[NoBody]) -> int:
    text = call.query.get("limit", str(PAGE))
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise InvalidRequest("Reading the list was refused: limit must be a whole number.")
    return min(max(int(text), 1), PAGE_LIMIT)


def _series(row: SeriesRow) -> Series:
    return Series(
        series_uid=row.series_uid,
        modality=row.modality,
        number=row.number,
        description=row.description,
        body_part=row.body_part,
        laterality=row.laterality,
        instances=row.instance_count,
    )


def _conflicts(node: Node, key: StudyKey) -> list[InstanceConflict]:
    """Give the instances with several contents; whether the patient differs, as the event says that found it."""
    events = (
        decode((InstanceConflictFound,), record.type, record.body) for record in node.journal.of(key.subject)
    )
    differing = {event.sop_uid for event in events if event is not None and event.patient_differs}
    found: dict[str, list[str]] = {}
    for row in conflicts_of(node.database, key):
        if row.state != "alternative":
            found.setdefault(row.sop_uid, []).append(row.digest)
    return [
        InstanceConflict(sop_uid=sop_uid, digests=digests, patient_differs=sop_uid in differing)
        for sop_uid, digests in found.items()
    ]


ROUTES = (list_studies, get_study, get_story)
