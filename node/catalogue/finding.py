"""Finding patients, studies, series and instances by attribute, as C-FIND and QIDO-RS ask.

What each key asks is `matching`'s; who may see what is `visibility`'s: its
condition comes in and holds at every level, since every row found belongs to a
study that meets it. Answers stand in one order, so that pages follow each
other: newest study first, within it by series and instance number.

Series and instances come without their study's words; `studies_by_key` and
`series_by_key` give what an answer shows of the levels above.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from node.canonical import canonical_json
from node.catalogue.matching import QueryLevel, key_condition
from node.catalogue.search import SERIES_FOUND, STUDY_FOUND, InstanceRow, SeriesRow, StudyRow
from node.catalogue.visibility import Condition
from node.clock import Micros
from node.database.port import Database, Level, read_as
from node.names import PatientKey, SeriesUID, StudyKey

_STUDY_ORDER = "study.first_at DESC, study.origin DESC, study.study_uid DESC"
_SERIES_ORDER = f"{_STUDY_ORDER}, series.number IS NULL, series.number, series.series_uid"
_INSTANCE_ORDER = (
    f"{_STUDY_ORDER}, instance.series_uid, instance.number IS NULL, instance.number, instance.sop_uid"
)
# CROSS JOIN is SQLite's word for tables taken in the order they stand in. Newest studies first: a page is full before
# all instances were read. A study's own key, and then the instance's, are looked up, not searched.
_WITH_SERIES = (
    "study CROSS JOIN series ON series.origin = study.origin AND series.study_uid = study.study_uid"
)
_WITH_INSTANCES = (
    "study CROSS JOIN instance ON instance.origin = study.origin AND instance.study_uid = study.study_uid"
    " AND instance.state = 'chosen' CROSS JOIN series ON series.origin = instance.origin"
    " AND series.study_uid = instance.study_uid AND series.series_uid = instance.series_uid"
)
_STUDIES = ("study.* FROM study", _STUDY_ORDER)
_SERIES = (f"series.* FROM {_WITH_SERIES}", _SERIES_ORDER)
_INSTANCES = (f"instance.* FROM {_WITH_INSTANCES}", _INSTANCE_ORDER)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRow:
    """A patient as her newest study that was found writes her; two issuers are two patients."""

    patient_issuer: str
    patient_id: str
    patient_name: str
    sex: str
    birth_date: str
    study_count: int
    """Of those found, as are the next two."""
    series_count: int
    instance_count: int
    first_at: Micros
    """Of her newest study."""

    @property
    def key(self) -> PatientKey:
        return PatientKey(issuer=self.patient_issuer, id=self.patient_id)


def match_patients(
    database: Database, condition: Condition, *, filters: Mapping[str, str], limit: int = 100, offset: int = 0
) -> list[PatientRow]:
    """Find patients of studies that meet a condition, the one of the newest study first.

    Raises
    ------
    InvalidRequest
        A key is malformed; see `key_condition`.

    Source: DICOM PS3.4 C.2.2.2, C.6.1.1.2, C.3.4 (what is counted).
    """
    where, params = _where(condition, filters, QueryLevel.PATIENT, combined=False)
    return read_as(
        database,
        PatientRow,
        # Columns beside the only max() are of the row that has it: SQLite promises that.
        "SELECT study.patient_issuer, study.patient_id, study.patient_name, study.sex, study.birth_date,"
        " count(*) AS study_count, sum(study.series_count) AS series_count,"
        " sum(study.instance_count) AS instance_count, max(study.first_at) AS first_at"
        f" FROM study WHERE {where} GROUP BY study.patient_issuer, study.patient_id"
        " ORDER BY max(study.first_at) DESC, study.patient_issuer DESC, study.patient_id DESC LIMIT ? OFFSET ?",
        (*params, limit, offset),
        Level.WEAK,
    )


def match_studies(
    database: Database,
    condition: Condition,
    *,
    filters: Mapping[str, str],
    combined: bool = False,
    limit: int = 100,
    offset: int = 0,
) -> list[StudyRow]:
    """Find studies that meet a condition; ``combined`` as in `key_condition`.

    Raises
    ------
    InvalidRequest
        A key is malformed; see `key_condition`.

    Source: DICOM PS3.4 C.2.2.2, C.6.2.1.2; PS3.18 8.3.4.
    """
    where = _where(condition, filters, QueryLevel.STUDY, combined=combined)
    return _page(database, StudyRow, _STUDIES, where, limit=limit, offset=offset)


def match_series(
    database: Database,
    condition: Condition,
    *,
    filters: Mapping[str, str],
    combined: bool = False,
    limit: int = 100,
    offset: int = 0,
) -> list[SeriesRow]:
    """Find series of studies that meet a condition; see `match_studies`.

    Source: DICOM PS3.4 C.2.2.2, C.4.1.3.2.2; PS3.18 8.3.4.
    """
    where = _where(condition, filters, QueryLevel.SERIES, combined=combined)
    return _page(database, SeriesRow, _SERIES, where, limit=limit, offset=offset)


def match_instances(
    database: Database,
    condition: Condition,
    *,
    filters: Mapping[str, str],
    combined: bool = False,
    limit: int = 100,
    offset: int = 0,
) -> list[InstanceRow]:
    """Find the chosen contents of instances, in studies that meet a condition; see `match_studies`.

    Source: DICOM PS3.4 C.2.2.2, C.4.1.3.2.2; PS3.18 8.3.4.
    """
    where = _where(condition, filters, QueryLevel.INSTANCE, combined=combined)
    return _page(database, InstanceRow, _INSTANCES, where, limit=limit, offset=offset)


def studies_by_key(database: Database, keys: Iterable[StudyKey]) -> dict[StudyKey, StudyRow]:
    """Give studies that rows found belong to; one that is gone meanwhile is left out."""
    pairs = canonical_json(sorted({(key.origin, key.study_uid) for key in keys}))
    rows = read_as(
        database,
        StudyRow,
        "SELECT study.* FROM json_each(?) AS asked JOIN study ON study.origin = asked.value ->> 0"
        " AND study.study_uid = asked.value ->> 1",
        (pairs,),
        Level.WEAK,
    )
    return {row.key: row for row in rows}


def series_by_key(
    database: Database, keys: Iterable[tuple[StudyKey, SeriesUID]]
) -> dict[tuple[StudyKey, SeriesUID], SeriesRow]:
    """Give series that instances found belong to; one that is gone meanwhile is left out."""
    triples = canonical_json(sorted({(key.origin, key.study_uid, uid) for key, uid in keys}))
    rows = read_as(
        database,
        SeriesRow,
        "SELECT series.* FROM json_each(?) AS asked JOIN series ON series.origin = asked.value ->> 0"
        " AND series.study_uid = asked.value ->> 1 AND series.series_uid = asked.value ->> 2",
        (triples,),
        Level.WEAK,
    )
    return {(StudyKey(origin=row.origin, study_uid=row.study_uid), row.series_uid): row for row in rows}


def _page(
    database: Database, shape: type[T], rows: tuple[str, str], where: Condition, *, limit: int, offset: int
) -> list[T]:
    """Read a page of rows, which are given as what to select and in which order."""
    (select, order), (condition, params) = rows, where
    sql = f"SELECT {select} WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
    return read_as(database, shape, sql, (*params, limit, offset), Level.WEAK)


def _where(
    condition: Condition, filters: Mapping[str, str], level: QueryLevel, *, combined: bool
) -> Condition:
    seen, params = condition
    asked, more = key_condition(filters, level, combined=combined)
    found = SERIES_FOUND if level is QueryLevel.SERIES else STUDY_FOUND
    return f"({seen}) AND ({asked}) AND {found}", (*params, *more)
