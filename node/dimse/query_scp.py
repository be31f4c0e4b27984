"""C-FIND: what an identifier asks, found in the catalogue and written as the answers' identifiers.

Knows nothing of sockets: bytes in, statuses and bytes out, one page of rows in
memory at a time. A page of studies begins behind the last of the one before, so
what arrives meanwhile shifts nothing. Pages of patients, series and instances are
counted: what an arrival pushes into the next page is not given twice, but what is
deleted meanwhile may hide as many that were not given yet.

Queries are always relational: keys of any level may go together, and none of a
higher level must be there. Dates and times are one range where that was negotiated.

Source: DICOM PS3.4 C.4.1, C.6.1, C.6.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from node.catalogue.finding import (
    match_instances,
    match_patients,
    match_series,
    match_studies,
    series_by_key,
    studies_by_key,
)
from node.catalogue.matching import QueryLevel, matched_keys
from node.catalogue.search import InstanceRow, SeriesRow, StudyRow
from node.catalogue.visibility import Condition
from node.database.port import Database
from node.dimse.commands import PENDING, PENDING_SOME_KEYS_UNKNOWN
from node.dimse.query_answers import AnswerWriter, Asking
from node.dimse.query_identifier import (
    DoesNotFit,
    Identifier,
    read_identifier,
)
from node.dimse.query_keys import Found
from node.names import StudyKey

PAGE = 500
PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2"
PATIENT_STUDY_ONLY = "1.2.840.10008.5.1.4.1.2.3"
LEVELS: Mapping[str, frozenset[QueryLevel]] = {
    PATIENT_ROOT: frozenset(QueryLevel),
    STUDY_ROOT: frozenset(QueryLevel) - {QueryLevel.PATIENT},
    PATIENT_STUDY_ONLY: frozenset({QueryLevel.PATIENT, QueryLevel.STUDY}),
}
"""By information model: the SOP classes' UIDs without their last component. Source: DICOM PS3.4 C.6."""


def find(
    database: Database, condition: Condition, content: bytes, asking: Asking
) -> Iterator[tuple[int, bytes]]:
    """Give status and identifier of each answer.

    Parameters
    ----------
    condition
        Which studies the caller sees.

    Raises
    ------
    InvalidRequest
        The identifier cannot be read, has no place in the model, or a key is malformed.
    """
    asked = read_identifier(content, asking.transfer_syntax)
    check_level(asking.model, asked.level)
    known = matched_keys(asked.level)
    all_known = not asked.unknown and all(name in known for name, value in asked.filters.items() if value)
    status = PENDING if all_known else PENDING_SOME_KEYS_UNKNOWN
    write = AnswerWriter(asked, asking).write
    for found in _found(database, condition, asked, combined=asking.combined):
        yield status, write(found)


def check_level(model: str, level: QueryLevel) -> None:
    """Refuse a level that an information model has not.

    Raises
    ------
    DoesNotFit
    """
    if level not in LEVELS[model]:
        raise DoesNotFit(
            f"Answering a query was refused: its model has no level {level}. Ask in the Patient Root model."
        )


def _found(database: Database, condition: Condition, asked: Identifier, *, combined: bool) -> Iterator[Found]:
    filters = asked.filters
    match asked.level:
        case QueryLevel.PATIENT:
            yield from _pages(
                lambda at: [
                    Found(patient=row)
                    for row in match_patients(database, condition, filters=filters, limit=PAGE, offset=at)
                ]
            )
        case QueryLevel.STUDY:
            for study in each_study(database, condition, filters, combined=combined):
                yield Found(study=study)
        case QueryLevel.SERIES:
            yield from _pages(
                lambda at: _with_studies(
                    database,
                    match_series(
                        database, condition, filters=filters, combined=combined, limit=PAGE, offset=at
                    ),
                )
            )
        case QueryLevel.INSTANCE:
            yield from _pages(
                lambda at: _with_series(
                    database,
                    match_instances(
                        database, condition, filters=filters, combined=combined, limit=PAGE, offset=at
                    ),
                )
            )


def each_study(
    database: Database, condition: Condition, filters: Mapping[str, str], *, combined: bool
) -> Iterator[StudyRow]:
    """Give all studies that meet a condition, newest first, reading them by pages."""
    behind: Condition = condition
    while True:
        rows = match_studies(database, behind, filters=filters, combined=combined, limit=PAGE)
        yield from rows
        if len(rows) < PAGE:
            return
        last, (seen, params) = rows[-1], condition
        behind = (
            f"{seen} AND (study.first_at, study.origin, study.study_uid) < (?, ?, ?)",
            (*params, last.first_at, last.origin, last.study_uid),
        )


def _pages(page: Callable[[int], list[Found]]) -> Iterator[Found]:
    at, before = 0, frozenset[tuple[str, ...]]()
    while rows := page(at):
        yield from (row for row in rows if _named(row) not in before)
        if len(rows) < PAGE:
            return
        at, before = at + len(rows), frozenset(map(_named, rows))


def _named(found: Found) -> tuple[str, ...]:
    if found.patient is not None:
        return found.patient.patient_issuer, found.patient.patient_id
    row = found.instance or found.series
    assert row is not None, "pages are of patients, series and instances"
    return row.origin, row.study_uid, row.series_uid, found.instance.sop_uid if found.instance else ""


def _with_studies(database: Database, rows: list[SeriesRow]) -> list[Found]:
    studies = studies_by_key(database, [_key(row) for row in rows])
    return [Found(study=studies.get(_key(row)), series=row) for row in rows]


def _with_series(database: Database, rows: list[InstanceRow]) -> list[Found]:
    studies = studies_by_key(database, [_key(row) for row in rows])
    series = series_by_key(database, [(_key(row), row.series_uid) for row in rows])
    return [
        Found(study=studies.get(_key(row)), series=series.get((_key(row), row.series_uid)), instance=row)
        for row in rows
    ]


def _key(row: SeriesRow | InstanceRow) -> StudyKey:
    return StudyKey(origin=row.origin, study_uid=row.study_uid)
