"""QIDO-RS: find studies, series and instances, of one study or across all that the caller may see.

Answers come from the catalogue's rows and never open an instance; a study's was made when its row was written and is
joined as text. Whatever is found belongs to a study that is found under the same condition that `may_see` asks.
What a level's own address names is left out of an answer by nobody: below a study its series say what
they are, across studies everything also says whose study it is of.

Source: DICOM PS3.18 10.6.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from aiohttp import web

from node.canonical import Json
from node.catalogue.answers import ROOT, study_json
from node.catalogue.finding import (
    is_soon_found,
    match_instances,
    match_series,
    series_by_key,
    studies_by_key,
    study_answers,
)
from node.catalogue.matching import QueryLevel
from node.catalogue.search import InstanceRow, SeriesRow
from node.catalogue.visibility import Condition, of_origin, visible_condition
from node.errors import InvalidRequest, TooBroad
from node.names import StudyKey
from web.dicomweb.accept import DICOM_JSON, check_json, wanted
from web.dicomweb.asking import Query, read_query
from web.dicomweb.roots import at_both_roots, origin_of, root_of
from web.dicomweb.rows import instance_json, series_json
from web.errors import Malformed
from web.routes import Call, NoBody

Found = list[dict[str, Json]]


def _at_once(call: Call[NoBody]) -> web.Response | None:
    """Find the few studies that have a key of their own: what workstations ask most."""
    query = _read(call, QueryLevel.STUDY)
    return _of_studies(call, query) if is_soon_found(call.node.database, query.filters) else None


@at_both_roots("/studies", lists=True, quick=_at_once)
def find_studies(call: Call[NoBody]) -> web.Response:
    """Find studies of one origin that the caller may see, newest first."""
    return _of_studies(call, _read(call, QueryLevel.STUDY))


def _of_studies(call: Call[NoBody], query: Query) -> web.Response:
    try:
        found = study_answers(
            call.node.database,
            _seen(call),
            filters=query.filters,
            fuzzy=query.fuzzy,
            limit=query.limit + 1,
            offset=query.offset,
        )
    except InvalidRequest as error:
        raise _malformed(error) from error
    root = msgspec.json.encode(root_of(call))[1:-1]
    body = f"[{','.join(found[: query.limit])}]".encode().replace(ROOT.encode(), root)
    return _answer(call, query, body, more=len(found) > query.limit)


@at_both_roots("/series", lists=True)
def find_all_series(call: Call[NoBody]) -> web.Response:
    """Find series of all studies that the caller may see."""
    query = _read(call, QueryLevel.SERIES)
    rows = _series(call, query, _seen(call))
    studies = _studies(call, rows)
    root = root_of(call)
    return _listed(call, query, [_joined(studies.get(_key(row), {}), series_json(row, root)) for row in rows])


@at_both_roots("/instances", lists=True)
def find_all_instances(call: Call[NoBody]) -> web.Response:
    """Find instances of all studies that the caller may see."""
    return _instances(call, _seen(call), across=True)


@at_both_roots("/studies/{study_uid}/series")
def find_series(call: Call[NoBody]) -> web.Response:
    """Find series of a study."""
    query = _read(call, QueryLevel.SERIES)
    return _listed(
        call, query, [series_json(row, root_of(call)) for row in _series(call, query, _of_study(call))]
    )


@at_both_roots("/studies/{study_uid}/instances")
def find_instances(call: Call[NoBody]) -> web.Response:
    """Find instances of a study."""
    return _instances(call, _of_study(call))


@at_both_roots("/studies/{study_uid}/series/{series_uid}/instances")
def find_instances_of_series(call: Call[NoBody]) -> web.Response:
    """Find instances of a series."""
    condition, params = _of_study(call)
    of_series = f"{condition} AND instance.series_uid = ?", (*params, call.path["series_uid"])
    return _instances(call, of_series, of_one=True)


def _series(call: Call[NoBody], query: Query, condition: Condition) -> list[SeriesRow]:
    try:
        return match_series(
            call.node.database,
            condition,
            filters=query.filters,
            fuzzy=query.fuzzy,
            limit=query.limit + 1,
            offset=query.offset,
        )
    except InvalidRequest as error:
        raise _malformed(error) from error


def _instances(
    call: Call[NoBody], condition: Condition, *, across: bool = False, of_one: bool = False
) -> web.Response:
    """Find instances, with their series' attributes, and their studies' when the query goes across them."""
    query = _read(call, QueryLevel.INSTANCE)
    try:
        rows = match_instances(
            call.node.database,
            condition,
            filters=query.filters,
            fuzzy=query.fuzzy,
            limit=query.limit + 1,
            offset=query.offset,
        )
    except InvalidRequest as error:
        raise _malformed(error) from error
    root = root_of(call)
    studies = _studies(call, rows) if across else {}
    held = {} if of_one else series_by_key(call.node.database, ((_key(row), row.series_uid) for row in rows))
    series = {key: series_json(row, root) for key, row in held.items()}
    return _listed(
        call,
        query,
        [
            _joined(
                studies.get(_key(row), {}),
                series.get((_key(row), row.series_uid), {}),
                instance_json(row, root),
            )
            for row in rows
        ],
    )


def _studies(call: Call[NoBody], rows: Iterable[SeriesRow | InstanceRow]) -> dict[StudyKey, dict[str, Json]]:
    """Give the studies that rows belong to, as DICOM JSON."""
    studies = studies_by_key(call.node.database, map(_key, rows))
    return {key: study_json(row) for key, row in studies.items()}


def _joined(*levels: dict[str, Json]) -> dict[str, Json]:
    """Give attributes of several levels in order of their tags; what a lower level says, stands."""
    joined = {tag: value for level in levels for tag, value in level.items()}
    return dict(sorted(joined.items()))


def _key(row: SeriesRow | InstanceRow) -> StudyKey:
    return StudyKey(origin=row.origin, study_uid=row.study_uid)


def _seen(call: Call[NoBody]) -> Condition:
    """Give the condition of studies of the address's origin that the caller may see."""
    return of_origin(origin_of(call), visible_condition(call.node.id, call.caller.viewer, call.node.now()))


def _of_study(call: Call[NoBody]) -> Condition:
    """The guard has shown that the caller sees the study that the address names."""
    return "study.origin = ? AND study.study_uid = ?", (call.study.origin, call.study.study_uid)


def _read(call: Call[NoBody], level: QueryLevel) -> Query:
    check_json(wanted(call.request))
    try:
        return read_query(call.request.query.items(), level)
    except InvalidRequest as error:
        raise _malformed(error) from error


def _malformed(error: InvalidRequest) -> InvalidRequest:
    """Say as DICOMweb does that a value is none: 400. Source: DICOM PS3.18 10.6.3 (table 10.6.3-1)."""
    return error if isinstance(error, TooBroad) else Malformed(error.message)


def _listed(call: Call[NoBody], query: Query, found: Found) -> web.Response:
    body = msgspec.json.encode(found[: query.limit])
    return _answer(call, query, body, more=len(found) > query.limit)


def _answer(call: Call[NoBody], query: Query, body: bytes, *, more: bool) -> web.Response:
    """Answer with what was found. Source: DICOM PS3.18 8.3.4.4 (warnings)."""
    response = web.Response(body=body, content_type=DICOM_JSON)
    for words in query.warnings:
        response.headers.add("Warning", f'299 meridian "{words}"')
    if more:
        response.headers.add("Warning", '299 meridian "There are additional results that can be requested"')
    return response


ROUTES = (
    *find_studies,
    *find_all_series,
    *find_all_instances,
    *find_series,
    *find_instances,
    *find_instances_of_series,
)
