"""However a query is looked up, it finds the same, page by page; and what is looked up is few."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from node.catalogue import finding, narrowing
from node.catalogue.finding import match_instances, match_patients, match_series, match_studies, study_answers
from node.catalogue.search import EVERYTHING, StudyRow, get_study, instances_of, series_of
from node.catalogue.visibility import Condition, of_origin
from node.clock import SystemClock
from node.database.port import Database, Row
from node.database.sqlite import SqliteDatabase
from node.errors import InvalidRequest, TooBroad
from node.names import StudyKey
from tests.bench._million import INSTANCES, ORIGIN, SERIES, fill, people, study_uid
from tests.kit.derived import amiss

STUDIES = 3000
OWN = of_origin(ORIGIN, EVERYTHING)
EXPERT = of_origin(ORIGIN, ("study.origin = ? OR 1 = 0", (ORIGIN,)))
NAMES = [name for name, _ in zip(people(random.Random(8)), range(8), strict=False)]
QUERIES: list[dict[str, str]] = [
    {},
    {"PatientID": "P0000007"},
    {"PatientID": "P00000*"},
    {"PatientID": "*7"},
    {"PatientID": "?" * 30},
    {"AccessionNumber": "A000000017\\A000000018\\A00000002*"},
    {"StudyInstanceUID": f"{study_uid(5)}\\{study_uid(6)}"},
    {"StudyDate": "2020-"},
    {"StudyDate": "20200915-20200916"},
    {"StudyDate": "-20200916", "PatientName": "W*"},
    {"PatientBirthDate": "19300115"},
    {"ModalitiesInStudy": "XA\\MG"},
    {"SOPClassesInStudy": "1.2.840.10008.5.1.4.1.1.4"},
    {"StudyDescription": "*平扫"},
    {"StudyID": "CT7"},
    {"StudyID": "CT7*"},
    {"StudyID": "?" * 30},
    {"ReferringPhysicianName": "*ANG*"},
    {"PatientName": "王*"},
    {"PatientName": "*伟*\\*明"},
    {"PatientName": "*?*=*"},
    *(
        {"PatientName": wild}
        for wild in ("?", "??", "???*", "*????", "?" * 9, "?" * 30, "=??", "=???*", "??*=???")
    ),
    {"PatientName": "=*伟"},
    {"PatientName": "*ANG*", "ModalitiesInStudy": "CT", "StudyDate": "2020-"},
    *({"PatientName": name} for name in NAMES),
    *({"PatientName": f"*{name[1:4]}*"} for name in NAMES),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("narrowing") / "meridian.db"
    fill(path, STUDIES, say=False)
    opened = SqliteDatabase(path, SystemClock())
    yield opened
    opened.close()


def everything(database: Database, filters: dict[str, str]) -> list[StudyRow]:
    """Find by one read of all rows in which no index takes part, as the first condition of all did."""
    sql, params = finding.key_condition(filters, finding.QueryLevel.STUDY)
    rows: list[Row] = database.read(
        f"SELECT * FROM study NOT INDEXED WHERE {sql} ORDER BY first_at DESC, origin DESC, study_uid DESC",
        params,
    )
    return [finding.convert_row(row, StudyRow) for row in rows]


def differing(database: Database) -> list[dict[str, str]]:
    """Give the queries of which some page is not the page."""
    wrong = []
    for filters in QUERIES:
        right = everything(database, filters)
        for condition, limit, offset in _pages(len(right)):
            found = match_studies(database, condition, filters=filters, limit=limit, offset=offset)
            if found != right[offset : offset + limit]:
                wrong.append(filters)
    return wrong


def _pages(found: int) -> list[tuple[Condition, int, int]]:
    places = {(5, 0), (7, 3), (found, 0), (STUDIES + 1, 0), (4, max(found - 2, 0)), (3, found + 9)}
    return [(condition, limit, offset) for limit, offset in places for condition in (OWN, EXPERT, EVERYTHING)]


SIZES = {"as in service": (8192, 500, 20_000), "walks first": (50, 1, 2), "gathers": (50, 1, 20_000)}


@pytest.mark.parametrize("sizes", SIZES)
def test_every_way_of_looking_up_finds_the_same_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch, sizes: str
) -> None:
    _resize(monkeypatch, sizes)
    assert differing(database) == []


def _resize(monkeypatch: pytest.MonkeyPatch, sizes: str) -> None:
    walk, few, many = SIZES[sizes]
    monkeypatch.setattr(finding, "_WALK", walk)
    for module in (finding, narrowing):
        monkeypatch.setattr(module, "FEW", few)
        monkeypatch.setattr(module, "MANY", many)


def test_a_planted_narrowing_that_leaves_too_little_is_caught(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narrowing, "planted", lambda name: name == "narrowed-decides")
    assert differing(database) != []


def test_rows_made_in_bulk_are_as_registration_leaves_them(database: Database) -> None:
    assert amiss(database) == []
    key = StudyKey(origin=ORIGIN, study_uid=study_uid(1234))
    study, series, instances = get_study(database, key), series_of(database, key), instances_of(database, key)
    assert (study.series_count, study.instance_count) == (len(series), len(instances)) == (SERIES, INSTANCES)
    assert [row.instance_count for row in series] == [
        sum(one.series_uid == row.series_uid for one in instances) for row in series
    ]


def test_lower_levels_are_looked_up_by_keys_of_higher_ones(database: Database) -> None:
    uid = study_uid(77)
    of_uid = match_series(database, OWN, filters={"SeriesInstanceUID": f"{uid}.2"})
    assert [row.series_uid for row in of_uid] == [f"{uid}.2"]
    (patient,) = match_patients(database, OWN, filters={"PatientID": "P0000007"})
    assert len(match_series(database, OWN, filters={"PatientID": "P0000007"})) == patient.study_count * SERIES
    instances = match_instances(
        database, OWN, filters={"AccessionNumber": "A000000077", "InstanceNumber": "3"}
    )
    assert {row.study_uid for row in instances} == {uid}
    assert len(instances) == SERIES


def test_instances_of_too_many_studies_are_refused_and_those_of_few_are_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_BROAD", 100)
    monkeypatch.setattr(narrowing, "FEW", 1)
    monkeypatch.setattr(finding, "FEW", 1)
    for filters in ({"Rows": "7"}, {"SOPInstanceUID": "1.2"}, {"ModalitiesInStudy": "CT", "Rows": "7"}):
        with pytest.raises(TooBroad, match="Name a study"):
            match_instances(database, OWN, filters=filters)
    with pytest.raises(TooBroad):
        match_instances(database, OWN, filters={}, offset=101)
    assert len(match_instances(database, OWN, filters={"Rows": "512"}, limit=50)) == 50
    assert match_instances(database, OWN, filters={"Rows": "7", "PatientID": "P0000007"}) == []
    of_study = ("study.origin = ? AND study.study_uid = ?", (ORIGIN, study_uid(5)))
    assert len(match_instances(database, of_study, filters={"Rows": "512"}, offset=15)) == 5
    assert match_instances(database, of_study, filters={}, offset=500) == []


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"PatientID": "P0000007"}, "study_by_id"), ({"AccessionNumber": "A1"}, "study_by_accession"),
        ({"StudyInstanceUID": "1.2"}, "study_by_uid"), ({"PatientName": "王伟"}, "study_by_name"),
        ({"PatientName": "*QIU*", "StudyDate": "2020"}, "study_by_name"), ({"PatientBirthDate": "19300115"}, "study_by_birth"),
        ({"PatientID": "?" * 30}, "study_long_id"), ({}, "study_by_origin"), ({"StudyID": "CT7"}, "study_by_study_id"),
        ({"StudyID": "?" * 30}, "study_long_study_id"),
    ],
)  # fmt: skip
def test_a_query_is_looked_up_in_the_index_of_its_best_key(
    database: Database, monkeypatch: pytest.MonkeyPatch, filters: dict[str, str], index: str
) -> None:
    plans, read = [], database.read

    def watched(sql: str, params: tuple[str, ...] = (), *level: object) -> list[Row]:
        if "AS chosen" in sql:
            plans.append(" ".join(str(row["detail"]) for row in read(f"EXPLAIN QUERY PLAN {sql}", params)))
        return read(sql, params)

    monkeypatch.setattr(database, "read", watched)
    study_answers(database, OWN, filters=filters)
    assert f"COVERING INDEX {index} " in plans[-1]


@pytest.mark.parametrize(
    "value",
    ["*?" * 5000, "?" * 500, "'" * 2000, "\0", "*\0*", "x'00'", "\\" * 5000, "[" * 600, "=" * 600, "^=*" * 300,
     "\\".join(f"a{n}" for n in range(100)), "\ud800", "*" * 10_000, "%_~" * 99, "a" * 100_000],
)  # fmt: skip
def test_hostile_keys_are_answered_or_refused_at_once(database: Database, value: str) -> None:
    for keyword in (
        "PatientName", "PatientID", "AccessionNumber", "StudyID", "StudyDescription", "StudyInstanceUID",
        "ModalitiesInStudy", "StudyDate", "SeriesInstanceUID", "SOPClassesInStudy", "ReferringPhysicianName",
    ):  # fmt: skip
        began = time.process_time()
        with suppress(InvalidRequest):
            match_studies(database, OWN, filters={keyword: value})
        assert time.process_time() - began < 0.5
