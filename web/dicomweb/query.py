"""QIDO-RS: find studies, and the series and instances of one.

Answers come from the catalogue's rows and never open an instance. A study is
found under the same condition that `may_see` asks.

Source: DICOM PS3.18 10.6.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from node.canonical import Json
from node.catalogue.finding import match_instances, match_series, match_studies
from node.catalogue.visibility import Condition, visible_condition
from web.dicomweb.accept import DICOM_JSON, check_json, wanted
from web.dicomweb.asking import Query, read_query
from web.dicomweb.roots import at_both_roots, origin_of, root_of
from web.dicomweb.rows import instance_json, series_json, study_json
from web.routes import Call, NoBody

STUDY_TAGS = {
    "0020000D": "StudyInstanceUID",
    "00080020": "StudyDate",
    "00080030": "StudyTime",
    "00080050": "AccessionNumber",
    "00080061": "ModalitiesInStudy",
    "00080090": "ReferringPhysicianName",
    "00081030": "StudyDescription",
    "00100010": "PatientName",
    "00100020": "PatientID",
    "00100021": "IssuerOfPatientID",
    "00100030": "PatientBirthDate",
    "00100040": "PatientSex",
}
SERIES_TAGS = {
    "00080060": "Modality",
    "0020000E": "SeriesInstanceUID",
    "00200011": "SeriesNumber",
    "0008103E": "SeriesDescription",
    "00180015": "BodyPartExamined",
    "00200060": "Laterality",
}
INSTANCE_TAGS = {
    **SERIES_TAGS,
    "00080016": "SOPClassUID",
    "00080018": "SOPInstanceUID",
    "00200013": "InstanceNumber",
    "00280008": "NumberOfFrames",
    "00280010": "Rows",
    "00280011": "Columns",
}


@at_both_roots("/studies", lists=True)
def find_studies(call: Call[NoBody]) -> web.Response:
    """Find studies of one origin that the caller may see, newest first."""
    query = read_query(call.request.query.items(), STUDY_TAGS)
    seen, params = visible_condition(call.node.id, call.caller.viewer, call.node.now())
    found = match_studies(
        call.node.database,
        (f"study.origin = ? AND ({seen})", (origin_of(call), *params)),
        filters=query.filters,
        limit=query.limit + 1,
        offset=query.offset,
    )
    return _answer(call, query, [study_json(row, root_of(call)) for row in found])


@at_both_roots("/studies/{study_uid}/series")
def find_series(call: Call[NoBody]) -> web.Response:
    """Find series of a study."""
    query = read_query(call.request.query.items(), SERIES_TAGS)
    found = match_series(
        call.node.database,
        _of_study(call),
        filters=query.filters,
        limit=query.limit + 1,
        offset=query.offset,
    )
    return _answer(call, query, [series_json(row, root_of(call)) for row in found])


@at_both_roots("/studies/{study_uid}/instances")
def find_instances(call: Call[NoBody]) -> web.Response:
    """Find instances of a study."""
    return _instances(call, None)


@at_both_roots("/studies/{study_uid}/series/{series_uid}/instances")
def find_instances_of_series(call: Call[NoBody]) -> web.Response:
    """Find instances of a series."""
    return _instances(call, call.path["series_uid"])


def _instances(call: Call[NoBody], series_uid: str | None) -> web.Response:
    query = read_query(call.request.query.items(), INSTANCE_TAGS)
    condition, params = _of_study(call)
    if series_uid is not None:
        condition, params = f"{condition} AND instance.series_uid = ?", (*params, series_uid)
    found = match_instances(
        call.node.database,
        (condition, params),
        filters=query.filters,
        limit=query.limit + 1,
        offset=query.offset,
    )
    return _answer(call, query, [instance_json(row, root_of(call)) for row in found])


def _of_study(call: Call[NoBody]) -> Condition:
    """The guard has shown that the caller sees the study that the address names."""
    return "study.origin = ? AND study.study_uid = ?", (call.study.origin, call.study.study_uid)


def _answer(call: Call[NoBody], query: Query, found: list[dict[str, Json]]) -> web.Response:
    check_json(wanted(call.request))
    response = web.Response(body=msgspec.json.encode(found[: query.limit]), content_type=DICOM_JSON)
    if query.ignored:
        names = ", ".join(sorted({name for name in query.ignored if name.isalnum() and name.isascii()}))
        response.headers.add("Warning", f'299 meridian "Not matched on: {names}"')
    if len(found) > query.limit:
        response.headers.add("Warning", '299 meridian "There are additional results that can be requested"')
    return response


ROUTES = (*find_studies, *find_series, *find_instances, *find_instances_of_series)
