"""Asking a remote AE what it holds: studies by what a person types, series of one of them.

What is not a study of ours is shown to whoever may fetch it, and each question is audited. It runs in threads
of its own, so that a remote AE that does not answer keeps nobody else waiting.
"""

from __future__ import annotations

import re

from aiohttp import web

from node.catalogue.matching import QueryLevel
from node.dimse.calling import called
from node.dimse.find_scu import Answers, find
from node.dimse.remote_form import Remote
from node.dimse.remotes import get_remote
from node.errors import FieldMissing, Refused
from node.names import is_uid
from node.node import Node
from node.people.audit import record_act
from web.answers import json_answer
from web.api.shapes import Shape
from web.guard import Sees
from web.routes import TECHNICIAN, Call, route

MOST = 500
"""Answers that a page shows; who gets so many asks more exactly."""
_DATE = re.compile(r"[0-9]{8}")


class StudyQuery(Shape):
    """What a person typed; dates as YYYYMMDD, either may be left out."""

    remote: str = ""
    name: str = ""
    patient_id: str = ""
    accession: str = ""
    modality: str = ""
    date_from: str = ""
    date_to: str = ""


class SeriesQuery(Shape):
    """Which study's series are asked for."""

    remote: str = ""
    study_uid: str = ""


class FoundStudy(Shape):
    """A study at a remote AE, as it answered."""

    study_uid: str
    """Empty when it said none: such a study cannot be fetched."""
    patient_name: str
    patient_id: str
    sex: str
    birth_date: str
    study_date: str
    study_time: str
    accession: str
    modalities: str
    description: str
    institution: str
    series: str
    instances: str
    here: int
    """Instances of it that this node holds."""


class FoundSeries(Shape):
    """A series at a remote AE."""

    series_uid: str
    modality: str
    number: str
    description: str
    body_part: str
    instances: str
    here: int


class FoundStudies(Shape):
    """What came back; ``complete`` is false when there is more, ``unreadable`` counts what could not be shown."""

    items: list[FoundStudy]
    complete: bool
    unreadable: int
    keys_ignored: bool


class FoundSeriesList(Shape):
    """Series of one study."""

    items: list[FoundSeries]
    complete: bool


@route("POST /api/queries/studies", roles=TECHNICIAN, sees=Sees.NOTHING, body=StudyQuery)
async def find_studies(call: Call[StudyQuery]) -> web.StreamResponse:
    """Ask a remote AE for studies."""

    def ask() -> FoundStudies:
        remote = _asked(call.node, call.body.remote)
        keys = _keys(call.body)
        _note(call, remote)
        answers = find(
            called(call.node.config, remote), QueryLevel.STUDY, keys, charset=remote.charset, limit=MOST
        )
        return _studies(call.node, answers)

    return json_answer(await call.around.calls.run(ask))


@route("POST /api/queries/series", roles=TECHNICIAN, sees=Sees.NOTHING, body=SeriesQuery)
async def find_series(call: Call[SeriesQuery]) -> web.StreamResponse:
    """Ask a remote AE for the series of a study."""

    def ask() -> FoundSeriesList:
        remote = _asked(call.node, call.body.remote)
        if not is_uid(call.body.study_uid):
            raise FieldMissing(
                "Asking for series was refused: the study has no valid UID. Choose another.", name="studyUid"
            )
        _note(call, remote)
        answers = find(
            called(call.node.config, remote),
            QueryLevel.SERIES,
            {"StudyInstanceUID": call.body.study_uid},
            charset=remote.charset,
            limit=MOST,
        )
        return _series(call.node, call.body.study_uid, answers)

    return json_answer(await call.around.calls.run(ask))


def _asked(node: Node, remote_id: str) -> Remote:
    remote = get_remote(node.database, remote_id)
    if not (remote.enabled and remote.query):
        raise Refused(
            f"Asking was refused: {remote.name} is switched off, or is not for query and retrieve."
            " Have an administrator change it under Remote AEs."
        )
    return remote


def _keys(query: StudyQuery) -> dict[str, str]:
    """Give the keys of a query; a name is taken as a beginning unless it has wildcards.

    Raises
    ------
    FieldMissing
        Nothing was typed, or a date is none.
    """
    for field, value in (("dateFrom", query.date_from), ("dateTo", query.date_to)):
        if value and not _DATE.fullmatch(value):
            raise FieldMissing("Asking was refused: a date is written YYYYMMDD.", name=field)
    name = re.sub(r"\s+", "^", query.name.strip())
    if name and not any(sign in name for sign in "*?"):
        name += "*"
    dates = f"{query.date_from}-{query.date_to}" if query.date_from or query.date_to else ""
    if dates and query.date_from == query.date_to:
        dates = query.date_from
    keys = {
        "PatientName": name,
        "PatientID": query.patient_id,
        "AccessionNumber": query.accession,
        "ModalitiesInStudy": query.modality,
        "StudyDate": dates,
    }
    given = {name: value.strip() for name, value in keys.items() if value.strip()}
    if not given:
        raise FieldMissing(
            "Asking was refused: nothing was typed, and all studies are too many. Give a name, a number or a date.",
            name="name",
        )
    return given


def _note(call: Call[StudyQuery] | Call[SeriesQuery], remote: Remote) -> None:
    act = record_act(
        call.node, call.person, act="query-remote", subject=f"remote/{remote.id}", address=call.address
    )
    call.node.database.write([act], call.node.new_id())


def _studies(node: Node, answers: Answers) -> FoundStudies:
    items = []
    for one in answers.items:
        uid = one.get("StudyInstanceUID", "")
        uid = uid if is_uid(uid) else ""
        items.append(
            FoundStudy(
                study_uid=uid,
                patient_name=one.get("PatientName", ""),
                patient_id=one.get("PatientID", ""),
                sex=one.get("PatientSex", ""),
                birth_date=one.get("PatientBirthDate", ""),
                study_date=one.get("StudyDate", ""),
                study_time=one.get("StudyTime", ""),
                accession=one.get("AccessionNumber", ""),
                modalities=one.get("ModalitiesInStudy", "").replace("\\", " "),
                description=one.get("StudyDescription", ""),
                institution=one.get("InstitutionName", ""),
                series=one.get("NumberOfStudyRelatedSeries", ""),
                instances=one.get("NumberOfStudyRelatedInstances", ""),
                here=_here(node, uid),
            )
        )
    items.sort(key=lambda one: (one.study_date, one.study_time), reverse=True)
    return FoundStudies(
        items=items,
        complete=answers.complete,
        unreadable=answers.unreadable,
        keys_ignored=answers.keys_ignored,
    )


def _series(node: Node, study_uid: str, answers: Answers) -> FoundSeriesList:
    items = [
        FoundSeries(
            series_uid=one.get("SeriesInstanceUID", ""),
            modality=one.get("Modality", ""),
            number=one.get("SeriesNumber", ""),
            description=one.get("SeriesDescription", ""),
            body_part=one.get("BodyPartExamined", ""),
            instances=one.get("NumberOfSeriesRelatedInstances", ""),
            here=_here(node, study_uid, one.get("SeriesInstanceUID", "")),
        )
        for one in answers.items
    ]
    items.sort(key=lambda one: (int(one.number) if one.number.isdecimal() else 1 << 30, one.series_uid))
    return FoundSeriesList(items=items, complete=answers.complete)


def _here(node: Node, study_uid: str, series_uid: str | None = None) -> int:
    if not study_uid:
        return 0
    sql = "SELECT 1 FROM instance WHERE origin = ? AND study_uid = ? AND state = 'chosen'"
    params = [str(node.id), study_uid]
    if series_uid is not None:
        sql, params = f"{sql} AND series_uid = ?", [*params, series_uid]
    return len(node.database.read(sql, params))


ROUTES = (find_studies, find_series)
