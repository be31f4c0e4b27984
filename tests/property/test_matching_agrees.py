"""Whatever is held and whatever is asked: SQL and a plain telling of the standard find the same, at every level.

200 catalogues; 5,000 with ``MERIDIAN_LONG=1``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.catalogue import finding, narrowing
from node.catalogue.finding import match_instances, match_patients, match_series, match_studies
from node.catalogue.search import EVERYTHING
from node.catalogue.visibility import Condition
from node.clock import new_id
from node.database.port import Database
from node.database.sqlite import SqliteDatabase
from node.errors import InvalidRequest
from tests.kit.catalogued import Catalogue, hold, instance, series, study
from tests.kit.clock import FrozenClock
from tests.kit.reference_matching import KEYS, LEVELS, Malformed, find

EXAMPLES = 5000 if os.environ.get("MERIDIAN_LONG") else 200
WORDS = [
    "Wang",
    "WANG",
    "wang",
    "Müller",
    "MULLER",
    "Ян",
    "ян",
    "Mu\u0308ller",
    "Ά",
    "α",
    "王",
    "小",
    "が",
    "か",
    "a[b]",
    "a%",
    "_",
    "~",
    "'",
    "x",
]
ORIGINS, UIDS = ["alpha", "beta"], ["2.25.1", "2.25.2", "2.25.10"]
NUMBERS = [None, 0, 1, 7, 512]
DATES = [
    "",
    "20260301",
    "20260302",
    "2026.03.02",
    "20251231",
    "1961",
    "garbage",
    "20260301 ",
    "00000000",
    "20261399",
]
TIMES = [
    "",
    "10",
    "1030",
    "103000",
    "10:30:00",
    "103000.5",
    "103059.999999",
    "235959",
    "0000",
    "1030.5",
    "103",
    "noon",
]

words = st.sampled_from(WORDS)
texts = st.lists(words, max_size=2).map("".join)
group = st.lists(st.one_of(words, st.just("")), max_size=3).map("^".join)
names = st.lists(group, max_size=3).map("=".join)
codes = st.sampled_from(["", "CT", "MR", "SR", "C", "ct", "C T", 'C"T'])
studies = st.builds(
    study,
    origin=st.sampled_from(ORIGINS), study_uid=st.sampled_from(UIDS), patient_issuer=st.sampled_from(["alpha:", "beta:HIS"]),
    patient_id=texts, patient_name=names, sex=codes, birth_date=st.sampled_from(DATES), study_date=st.sampled_from(DATES),
    study_time=st.sampled_from(TIMES), accession=texts, study_id=texts, description=texts,
    referring_physician=names,
    sop_classes=st.sampled_from(["[]", '["1.2.3"]', '["1.2.3","1.2.4"]']),
    modalities=st.sampled_from(["[]", '["CT"]', '["CT","MR"]', '["SR"]', '["C\\"T","MR"]']), first_at=st.integers(0, 5),
)  # fmt: skip
all_series = st.builds(
    series, origin=st.sampled_from(ORIGINS), study_uid=st.sampled_from(UIDS), series_uid=st.sampled_from(["2.25.1.1", "2.25.1.2"]),
    modality=codes, number=st.sampled_from(NUMBERS), description=texts, body_part=codes, laterality=st.sampled_from(["", "L", "R"]),
)  # fmt: skip
instances = st.builds(
    instance, origin=st.sampled_from(ORIGINS), study_uid=st.sampled_from(UIDS), series_uid=st.sampled_from(["2.25.1.1", "2.25.1.2"]),
    sop_uid=st.sampled_from(["2.25.1.1.1", "2.25.1.1.2"]), sop_class=st.sampled_from(["1.2.3", "1.2.4"]), number=st.sampled_from(NUMBERS),
    rows=st.sampled_from(NUMBERS), columns=st.sampled_from(NUMBERS), frames=st.integers(1, 3),
    state=st.sampled_from(["chosen", "chosen", "alternative", "conflict"]), pack=st.sampled_from(["p", "archive-1"]),
)  # fmt: skip
catalogues = st.builds(
    Catalogue,
    studies=st.lists(studies, min_size=1, max_size=5, unique_by=lambda row: (row.origin, row.study_uid)),
    series=st.lists(
        all_series, max_size=6, unique_by=lambda row: (row.origin, row.study_uid, row.series_uid)
    ),
    instances=st.lists(instances, max_size=8, unique_by=lambda row: (row.origin, row.study_uid, row.sop_uid)),
)

wild = st.lists(
    st.one_of(words, st.sampled_from(["*", "?", "**", "^", " ", "="])), min_size=1, max_size=5
).map("".join)
likely = st.builds(
    # What may be held, with a letter of it asked for otherwise.
    lambda held, at, other: held[: at % (len(held) + 1)] + other + held[at % (len(held) + 1) + 1 :],
    st.one_of(texts, names), st.integers(0, 20), st.sampled_from(["*", "?", "", "="]),
)  # fmt: skip
several = st.lists(wild, min_size=1, max_size=7).map("\\".join)
dates = st.sampled_from(["", *DATES, "2026", "202603", "20260231", "20261301", "*", "-"])
times = st.sampled_from(["", *TIMES, "11", "24", "1060", "103000.50", "*", "-"])
ends = {"DA": dates, "TM": times}
VALUES = {
    "PN": st.one_of(names, wild, likely, several), "LO": st.one_of(texts, wild, likely, several),
    "SH": st.one_of(texts, wild, likely, several),
    "CS": st.one_of(codes, st.sampled_from(["C*", "?T", "*", "CT\\MR", "C*,SR", "**", "*T", "\\"])),
    "UI": st.one_of(st.sampled_from([*UIDS, "2.25.1.1", "2.25.1.2", "2.25.1.1.1", "1.2.3", "*", "2.25.*", ""]),
                    st.sampled_from(["2.25.1\\2.25.2", "2.25.1.1,2.25.1.2", "2.25.1.1.1\\2.25.1.1.2", "\\"])),
    "IS": st.sampled_from(["", "1", "007", "+7", "-1", "1\\7", "1*", "*", "x", "512", "9" * 30]),
    "US": st.sampled_from(["", "512", "0512", "1,512", "?"]),
    **{vr: st.one_of(end, st.tuples(end, end).map("-".join), st.tuples(end, end).map("\\".join)) for vr, end in ends.items()},
}  # fmt: skip
keys = st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=3, unique=True).flatmap(
    lambda chosen: st.fixed_dictionaries({name: VALUES[KEYS[name].vr] for name in chosen})
)
moments = st.fixed_dictionaries({"StudyDate": VALUES["DA"], "StudyTime": VALUES["TM"]})
conditions: st.SearchStrategy[Condition] = st.sampled_from(
    [
        EVERYTHING,
        ("study.origin = ?", ("alpha",)),
        ("study.origin = ? OR study.study_uid = ?", ("beta", "2.25.1")),
    ]
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = SqliteDatabase(tmp_path_factory.mktemp("matching") / "meridian.db", FrozenClock())
    yield opened
    opened.close()


def seen(catalogue: Catalogue, condition: Condition) -> Catalogue:
    """Leave of a catalogue what a condition shows."""
    if condition == EVERYTHING:
        return catalogue
    shown = [
        row
        for row in catalogue.studies
        if row.origin == condition[1][0] or (len(condition[1]) > 1 and row.study_uid == condition[1][1])
    ]
    return Catalogue(studies=shown, series=catalogue.series, instances=catalogue.instances)


def by_sql(
    database: Database, condition: Condition, filters: dict[str, str], level: str, *, combined: bool
) -> list[Any]:
    if level == "PATIENT":
        return [
            (row.patient_issuer, row.patient_id)
            for row in match_patients(database, condition, filters=filters)
        ]
    match = {"STUDY": match_studies, "SERIES": match_series, "IMAGE": match_instances}[level]
    found: list[Any] = [*match(database, condition, filters=filters, combined=combined)]
    return found


def outcome(look: Any) -> Any:
    """What is found, in an order of its own; or that it was refused."""
    try:
        return sorted(look(), key=repr)
    except Malformed:
        return "refused"
    except InvalidRequest as refused:
        return "refused" if str(refused).startswith("Searching by") else str(refused)


@pytest.fixture(params=["as in service", "few are many"])
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the ways of looking up that only many studies take with few: a walk that gives up, and gathered candidates."""
    if request.param == "few are many":
        monkeypatch.setattr(finding, "_WALK", 2)
        for module in (finding, narrowing):
            monkeypatch.setattr(module, "FEW", 1)
            monkeypatch.setattr(module, "MANY", 2)


@pytest.mark.usefixtures("sizes")
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    catalogue=catalogues,
    asked=st.lists(st.tuples(st.one_of(keys, keys, moments), conditions, st.booleans()), min_size=1, max_size=4),
)  # fmt: skip
def test_sql_and_reference_find_the_same_at_every_level(
    database: Database, catalogue: Catalogue, asked: list[tuple[dict[str, str], Condition, bool]]
) -> None:
    hold(database, catalogue, new_id(FrozenClock()))
    for filters, condition, combined in asked:
        for level in LEVELS:
            expected = outcome(
                lambda level=level, filters=filters, condition=condition, combined=combined: find(
                    seen(catalogue, condition), filters, level, combined=combined
                )
            )
            found = outcome(
                lambda level=level, filters=filters, condition=condition, combined=combined: by_sql(
                    database, condition, filters, level, combined=combined
                )
            )
            assert found == expected, (filters, level, combined, condition)
