"""Who sees which study: each role, own and foreign, in lists and one by one, against a second telling of the rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.catalogue import visibility
from node.catalogue.visibility import Viewer, close_study, may_see, open_study, visible_condition
from node.clock import new_id
from node.database.port import Database, Statement, text
from node.database.sqlite import SqliteDatabase
from node.names import NodeId, StudyKey, StudyUID
from node.people.principals import EXCHANGE, READER, SENDER
from tests.kit.clock import NOON, FrozenClock

HERE = NodeId("centre")
ROLES = ("technician", "expert", "administrator")
EVERY_ROLES = [frozenset(some) for n in range(4) for some in combinations(ROLES, n)]
PEOPLE = ("li", "zhao")
POOLS = ("centre/chest", "centre/bone")
STUDIES = [
    StudyKey(origin=NodeId(origin), study_uid=StudyUID(uid))
    for origin in ("centre", "alpha", "beta")
    for uid in ("2.25.1", "2.25.2")
]


@dataclass(frozen=True)
class Opened:
    subject: str
    key: StudyKey
    reason: str
    until: int | None


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path: Path = tmp_path_factory.mktemp("visibility") / "meridian.db"
    opened = SqliteDatabase(path, FrozenClock())
    opened.write([study_row(key) for key in STUDIES], "studies")
    yield opened
    opened.close()


def study_row(key: StudyKey) -> Statement:
    texts = (
        "patient_issuer", "patient_id", "patient_name", "sex", "birth_date", "age", "study_date", "study_time",
        "accession_issuer", "accession", "description", "referring_physician", "modalities", "body_parts",
        "department", "state", "cause",
    )  # fmt: skip
    numbers = ("series_count", "instance_count", "bytes", "first_at", "last_at")
    columns = ", ".join(("origin", "study_uid", *texts, *numbers))
    values = (key.origin, key.study_uid, *("" for _ in texts), *(0 for _ in numbers))
    return Statement(f"INSERT INTO study ({columns}) VALUES ({', '.join('?' * len(values))})", values)


def fill(database: Database, opened: list[Opened], members: list[tuple[str, str]]) -> None:
    database.write(
        [
            Statement("DELETE FROM access"),
            Statement("DELETE FROM membership"),
            *(open_study(row.subject, row.key, reason=row.reason, until=row.until) for row in opened),
            *(Statement("INSERT INTO membership VALUES (?, ?)", member) for member in members),
        ],
        new_id(FrozenClock()),
    )


def listed(database: Database, viewer: Viewer) -> set[tuple[str, str]]:
    condition, params = visible_condition(HERE, viewer, NOON)
    rows = database.read(f"SELECT origin, study_uid FROM study WHERE {condition}", params)
    return {(text(row, "origin"), text(row, "study_uid")) for row in rows}


def rule(viewer: Viewer, key: StudyKey, opened: list[Opened], members: list[tuple[str, str]]) -> bool:
    """The rule told a second time, as the design says it."""
    if viewer.kind == "principal":
        return viewer.id in (READER, "reader/ward", EXCHANGE, "exchange/his")
    own = key.origin == HERE
    mine = {f"person/{viewer.id}", *(f"pool/{pool}" for person, pool in members if person == viewer.id)}
    granted = any(
        row.key == key and row.subject in mine and (row.until is None or row.until > NOON) for row in opened
    )
    return ("technician" in viewer.roles and own) or ("expert" in viewer.roles and (own or granted))


VIEWERS = [
    *(Viewer(kind="person", id=person, roles=roles) for person in PEOPLE for roles in EVERY_ROLES),
    *(
        Viewer(kind="principal", id=name, roles=frozenset(ROLES))
        for name in (
            READER,
            "reader/ward",
            EXCHANGE,
            "exchange/his",
            SENDER,
            "sender/reader",
            "other",
            "li",
            "readers",
        )
    ),
]
opened_rows = st.lists(
    st.builds(
        Opened,
        subject=st.sampled_from(
            [f"person/{p}" for p in PEOPLE] + [f"pool/{p}" for p in POOLS] + ["principal/reader"]
        ),
        key=st.sampled_from(STUDIES),
        reason=st.sampled_from(["case/1", "case/2"]),
        until=st.sampled_from([None, NOON - 1, NOON, NOON + 1]),
    ),
    max_size=12,
    unique_by=lambda row: (row.subject, row.key, row.reason),
)
member_rows = st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(POOLS)), unique=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(opened=opened_rows, members=member_rows)
def test_lists_single_answers_and_the_rule_agree_for_every_viewer(
    database: Database, opened: list[Opened], members: list[tuple[str, str]]
) -> None:
    fill(database, opened, members)
    for viewer in VIEWERS:
        shown = listed(database, viewer)
        for key in STUDIES:
            expected = rule(viewer, key, opened, members)
            assert may_see(database, HERE, viewer, key, NOON) is expected, (viewer, key)
            assert ((key.origin, key.study_uid) in shown) is expected, (viewer, key)


@pytest.mark.parametrize(
    ("fault", "broken"),
    [
        ("until ignored", visibility._OPENED.replace("access.until > ?", "access.until > ? OR 1")),
        ("anybody's access row", visibility._OPENED.replace("access.subject = ?", "access.subject <> ?")),
        ("any pool", visibility._OPENED.replace("membership.person = ?", "membership.person <> ? OR 1")),
        ("any origin", visibility._OPENED.replace("access.origin = study.origin AND ", "")),
    ],
)
def test_a_planted_hole_is_caught(
    database: Database, monkeypatch: pytest.MonkeyPatch, fault: str, broken: str
) -> None:
    assert broken != visibility._OPENED, fault
    monkeypatch.setattr("node.catalogue.visibility._OPENED", broken)
    alpha = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID("2.25.1"))
    opened = [
        Opened("person/li", alpha, "case/1", NOON - 1),
        Opened("person/li", STUDIES[3], "case/1", None),
        Opened("person/zhao", STUDIES[4], "case/1", None),
        Opened("pool/centre/bone", STUDIES[5], "case/1", None),
    ]
    fill(database, opened, [("zhao", "centre/bone")])
    li = Viewer(kind="person", id="li", roles=frozenset({"expert"}))
    wrong = [
        key for key in STUDIES if may_see(database, HERE, li, key, NOON) is not rule(li, key, opened, [])
    ]
    assert wrong, fault


def test_a_study_that_is_not_held_here_may_still_be_judged(database: Database) -> None:
    gone = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID("2.25.404"))
    fill(database, [Opened("pool/centre/chest", gone, "case/1", None)], [("li", "centre/chest")])
    viewer = Viewer(kind="person", id="li", roles=frozenset({"expert"}))
    assert may_see(database, HERE, viewer, gone, NOON)


def test_closing_a_reason_leaves_what_others_opened(database: Database) -> None:
    key = STUDIES[2]
    fill(database, [Opened("person/li", key, reason, None) for reason in ("case/1", "case/2")], [])
    viewer = Viewer(kind="person", id="li", roles=frozenset({"expert"}))
    for reason, seen in (("case/1", True), ("case/2", False)):
        database.write([close_study(key, reason=reason)], new_id(FrozenClock()))
        assert may_see(database, HERE, viewer, key, NOON) is seen


def test_names_with_quotes_and_wildcards_open_nothing(database: Database) -> None:
    fill(database, [Opened("person/li", STUDIES[2], "case/1", None)], [])
    for name in ("' OR 1=1 --", "%", "l_", ""):
        viewer = Viewer(kind="person", id=name, roles=frozenset({"expert"}))
        assert listed(database, viewer) == {(HERE, "2.25.1"), (HERE, "2.25.2")}
