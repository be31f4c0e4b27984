"""A study's row and what follows from it: written together, changed together, gone together."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.catalogue import written
from node.catalogue.deriving import derive_missing
from node.catalogue.finding import match_studies, study_answers
from node.catalogue.names import grams_of
from node.catalogue.search import EVERYTHING, StudyRow, get_study
from node.catalogue.written import forget_study, write_study
from node.clock import new_id
from node.database import sqlite as adapter
from node.database.port import Statement
from node.database.schema import MIGRATIONS
from node.errors import Conflict
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.catalogued import study
from tests.kit.clock import FrozenClock
from tests.kit.derived import amiss
from tests.kit.holding import hold, hold_ct
from tests.kit.instances import DEFLATED, EXPLICIT, IMPLICIT, make_ct

BEFORE = next(n for n, one in enumerate(MIGRATIONS) if any("name_gram" in sql for sql in one))
"""Migrations of a database that knows no grams."""


def put(node: Node, row: StudyRow, before: StudyRow | None = None) -> StudyRow:
    node.database.write(write_study(row, before=before), new_id(node.clock))
    return row


def found(node: Node, **filters: str) -> list[str]:
    return [row.study_uid for row in match_studies(node.database, EVERYTHING, filters=filters)]


def held(node: Node) -> dict[str, int]:
    tables = ("study", "study_answer", "name_gram", "name_sound")
    return {
        table: int(node.database.read(f"SELECT count(*) AS n FROM {table}")[0]["n"] or 0) for table in tables
    }


def test_a_name_is_found_by_what_it_is_now_and_by_nothing_it_was(node: Node) -> None:
    first = put(node, study(patient_name="Wang^Wei=王^伟", referring_physician="Li^Si"))
    assert (found(node, PatientName="*王*"), found(node, ReferringPhysicianName="li*")) == (["2.25.1"],) * 2
    put(node, replace(first, patient_name="Zhang^San=张^三"), before=first)
    assert (found(node, PatientName="*王*"), found(node, PatientName="*张*")) == ([], ["2.25.1"])
    assert amiss(node.database) == []


def test_a_name_stays_while_any_study_has_it_even_a_physician_s(node: Node) -> None:
    first = put(node, study(patient_name="王伟"))
    second = put(node, study(study_uid="2.25.2", patient_name="王伟"))
    third = put(node, study(study_uid="2.25.3", patient_name="李四", referring_physician="王伟"))
    node.database.write(forget_study(first), "1")
    assert found(node, PatientName="王伟") == ["2.25.2"]
    put(node, replace(second, patient_name="李四"), before=second)
    assert found(node, ReferringPhysicianName="*王*") == ["2.25.3"]
    assert amiss(node.database) == []
    node.database.write(forget_study(third), "2")
    node.database.write(forget_study(replace(second, patient_name="李四")), "3")
    assert set(held(node).values()) == {0}


def test_an_answer_says_what_the_row_says_and_nothing_of_it_is_made_twice(node: Node) -> None:
    row = put(node, study(patient_name="Wang^Wei=王^伟", description='\x01/ "quoted"', instance_count=1))
    put(node, replace(row, instance_count=2, sop_classes='["1.2"]'), before=row)
    (answer,) = study_answers(node.database, EVERYTHING, filters={})
    assert answer.count("\x01") == 1
    assert '"00081190":{"Value":["\x01/studies/2.25.1"]' in answer
    assert '"00201208":{"Value":[2]' in answer
    assert amiss(node.database) == []


def test_a_row_that_is_not_as_it_was_read_is_not_overwritten(node: Node) -> None:
    row = put(node, study(state="complete"))
    with pytest.raises(Conflict, match="It came"):
        node.database.write(
            write_study(
                replace(row, description="x"),
                before=row,
                guard=("state = ?", ("announced",)),
                refusal="It came.",
            ),
            "1",
        )
    with pytest.raises(Conflict):
        node.database.write(write_study(row, before=None), "2")
    assert amiss(node.database) == []


def test_what_registration_writes_holds_at_every_batch(node: Node) -> None:
    for slices in (1, 3):
        hold_ct(node, study_uid="2.25.9", slices=slices, name="Ren^Yingying=任^盈盈")
        assert amiss(node.database) == []
    assert found(node, PatientName="任*", SOPClassesInStudy="1.2.840.10008.5.1.4.1.1.2") == ["2.25.9"]


@pytest.mark.parametrize("fault", ["grams-left", "answer-left"])
def test_a_planted_row_without_what_follows_from_it_is_caught(
    node: Node, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    row = put(node, study(patient_name="王伟"))
    monkeypatch.setattr(written, "planted", lambda name: name == fault)
    put(node, replace(row, patient_name="李四", description="y"), before=row)
    assert amiss(node.database) != []


def old(path: Path, rows: int) -> None:
    """Leave a database as the version before wrote it, with studies of three instances."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for sql in (sql for one in MIGRATIONS[:BEFORE] for sql in one):
        connection.execute(sql)
    connection.execute(f"PRAGMA user_version = {BEFORE}")
    columns = {row[1] for row in connection.execute("PRAGMA table_info(study)")}
    connection.execute("BEGIN")
    for n in range(rows):
        row: dict[str, Any] = {name: getattr(study(), name) for name in study().__slots__ if name in columns}
        row |= {"study_uid": f"2.25.{n}", "patient_name": f"Wang^N{n}=王^{chr(0x4E00 + n)}", "first_at": n}
        row |= {"study_date": "2026.03.02", "instance_count": 3}
        connection.execute(
            f"INSERT INTO study ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values())
        )
        for k, sop_class in enumerate(("1.2.4", "1.2.3", "1.2.4")):
            connection.execute(
                "INSERT INTO instance VALUES ('alpha', ?, ?, 'd', '', '2.25.1.1', ?, '', 1, 1, 1, 1, 'p', 0, 0, 0, 1,"
                " 'chosen', 'dicom', 0)",
                (f"2.25.{n}", f"2.25.{n}.{k}", sop_class),
            )
    connection.execute("COMMIT")
    connection.close()


def test_studies_of_an_earlier_version_are_findable_after_the_start_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "alpha").mkdir()
    old(tmp_path / "alpha" / "meridian.db", 1201)
    node = bare_node(tmp_path, "alpha", FrozenClock())
    told: list[tuple[int, int]] = []
    assert found(node, PatientName="王*") == []
    assert (
        len(study_answers(node.database, EVERYTHING, filters={}, limit=3)) == 3
    )  # answers need nothing derived
    assert derive_missing(node, tell=lambda done, waiting: told.append((done, waiting))) == 1201
    assert told == [(0, 1201), (500, 1201), (1000, 1201)]
    assert amiss(node.database) == []
    asked = {"PatientName": "王*", "StudyDate": "20260302", "SOPClassesInStudy": "1.2.3"}
    assert len(match_studies(node.database, EVERYTHING, filters=asked, limit=2000)) == 1201
    key = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID("2.25.7"))
    assert get_study(node.database, key).sop_classes == '["1.2.3","1.2.4"]'
    assert derive_missing(node) == 0
    node.database.close()  # type: ignore[attr-defined]
    node.bell.close()


def test_deriving_that_was_ended_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alpha").mkdir()
    old(tmp_path / "alpha" / "meridian.db", 700)
    node = bare_node(tmp_path, "alpha", FrozenClock())
    with pytest.raises(InterruptedError):
        derive_missing(node, tell=_ended_at(500))
    assert derive_missing(node) == 200
    assert amiss(node.database) == []
    node.database.close()  # type: ignore[attr-defined]
    node.bell.close()


NUMBERED = next(one for one in MIGRATIONS if any("ADD COLUMN study_id" in sql for sql in one))
"""The migration that Study IDs came with."""


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, DEFLATED])
def test_the_study_id_of_a_study_registered_before_is_read_from_its_instance(node: Node, syntax: str) -> None:
    numbered = {0x00200010: ("SH", "CT4711")}
    hold(node, [make_ct(transfer_syntax=syntax, change=numbered)], transfer_syntax=syntax)  # type: ignore[arg-type]
    row = get_study(node.database, StudyKey(origin=NodeId("alpha"), study_uid=StudyUID("2.25.1")))
    assert (row.study_id, found(node, StudyID="CT47*")) == ("CT4711", ["2.25.1"])
    as_before = "UPDATE study SET study_id = '', derived = 0"
    node.write([Statement(as_before), Statement("UPDATE study_answer SET answer = '{}'")])
    assert derive_missing(node) == 1
    assert found(node, StudyID="CT4711") == ["2.25.1"]
    assert '"00200010":{"Value":["CT4711"]' in study_answers(node.database, EVERYTHING, filters={})[0]
    assert amiss(node.database) == []


def test_a_study_whose_pack_is_gone_stops_no_start(node: Node) -> None:
    hold_ct(node, study_uid="2.25.1")
    node.write(
        [Statement("UPDATE study SET derived = 0"), Statement("UPDATE online_instance SET pack = 'gone'")]
    )
    assert derive_missing(node) == 1
    assert amiss(node.database) == []


LATER = ("study_id", "corrections_until")
"""Columns that came afterwards."""


def test_studies_with_instances_are_asked_for_their_study_id_and_announced_ones_are_not() -> None:
    connection = sqlite3.connect(":memory:")
    for sql in (sql for one in MIGRATIONS[: MIGRATIONS.index(NUMBERED)] for sql in one):
        connection.execute(sql)
    row = {name: getattr(study(), name) for name in study().__slots__ if name not in LATER}
    for uid, source in (("2.25.1", "d"), ("2.25.2", "")):
        values = {**row, "study_uid": uid, "source_digest": source, "derived": 1}
        marks = ", ".join("?" * len(values))
        connection.execute(
            f"INSERT INTO study ({', '.join(values)}) VALUES ({marks})", tuple(values.values())
        )
    for sql in NUMBERED:
        connection.execute(sql)
    asked = connection.execute("SELECT study_uid, derived FROM study ORDER BY study_uid").fetchall()
    connection.close()
    assert asked == [("2.25.1", 0), ("2.25.2", 1)]


BEGUN = next(one for one in MIGRATIONS if any("part (name, rest)" in sql for sql in one))
"""The migration that groups of names came with."""


@pytest.mark.parametrize(
    "name", ["=wang^wei=王^伟=", "==王^伟=", "=wang==オウ=", "=li=", "===李=", "=o'neil^[x]="]
)
def test_a_name_held_before_is_held_by_its_groups_afterwards(name: str) -> None:
    connection = sqlite3.connect(":memory:")
    for sql in (sql for one in MIGRATIONS[: MIGRATIONS.index(BEGUN)] for sql in one):
        connection.execute(sql)
    pairs = {name[at : at + 2] for at in range(len(name) - 1)}
    connection.executemany("INSERT INTO name_gram VALUES (?, ?)", [(pair, name) for pair in pairs])
    for sql in BEGUN:
        connection.execute(sql)
    grams = [gram for (gram,) in connection.execute("SELECT gram FROM name_gram")]
    connection.close()
    assert sorted(grams) == grams_of(name)


def _ended_at(step: int) -> Any:
    def tell(done: int, _waiting: int) -> None:
        if done == step:
            raise InterruptedError

    return tell


def test_a_study_that_changes_while_it_is_derived_keeps_its_change(tmp_path: Path) -> None:
    (tmp_path / "alpha").mkdir()
    old(tmp_path / "alpha" / "meridian.db", 2)
    node = bare_node(tmp_path, "alpha", FrozenClock())
    changed = [Statement("UPDATE study SET instance_count = 9, last_at = 9 WHERE study_uid = '2.25.1'")]
    assert derive_missing(_meddling(node, changed)) == 2
    (answer,) = study_answers(node.database, EVERYTHING, filters={"StudyInstanceUID": "2.25.1"})
    assert '"00201208":{"Value":[9]' in answer
    assert amiss(node.database) == []
    node.database.close()  # type: ignore[attr-defined]
    node.bell.close()


def _meddling(node: Node, changes: list[Statement]) -> Node:
    """Give a node whose database is changed by another just before it is first written to."""

    class Meddled(adapter.SqliteDatabase):
        def __init__(self) -> None:
            self.inner, self.left = node.database, list(changes)

        def write(self, statements: Any, key: str) -> Any:
            if self.left:
                self.inner.write(self.left, "meddled")
                self.left = []
            return self.inner.write(statements, key)

        def read(self, *args: Any, **kwargs: Any) -> Any:
            return self.inner.read(*args, **kwargs)

    return replace(node, database=Meddled())
