"""No row about a deleted study and no word of its patient is left, in whatever form, anywhere below the state folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node.archive.deletion.forgetting import TABLES
from node.archive.lifecycle.periods import DAY
from node.catalogue.correction_drafts import draft_rejection, draft_study
from node.catalogue.corrections import make_correction
from node.database.port import Statement, text
from node.journal.chain import seal_next
from node.names import StudyUID
from node.node import Node
from ops.verify import verify
from tests.kit.archived_study import archive
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.deleting import delete, erase_all, found_in
from tests.kit.instances import make_ct
from tests.kit.merging import KEY, STUDY, associate, complete, ingest, rows_of
from tests.kit.people import TECHNICIAN
from tests.kit.planting import planted

WORDS = ("WANGCANARY", "wangcanary", "王金丝", "PIDCANARY77", "ACCCANARY9", "REASONCANARY")


def personal(n: int) -> bytes:
    return make_ct(
        study_uid=STUDY, sop_uid=f"{STUDY}.1.{n}", number=n, patient_name="WANGCANARY^Ming=王金丝^明",
        patient_id="PIDCANARY77", charset="GB18030", python_charset="gb18030",
    )  # fmt: skip


def personal_study(node: Node, clock: FrozenClock) -> None:
    """Receive a study whose words can be searched for, in the database, texts, packs and stores, and correct it."""
    associate(node, *(personal(n) for n in range(11, 14)))
    ingest(node)
    complete(node)
    draft = draft_study(node, KEY, {"accession": "ACCCANARY9"})
    make_correction(node, TECHNICIAN, draft, reason="REASONCANARY 王金丝的号码")
    complete(node)
    archive(node)


@pytest.fixture
def named(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    node = bare_node(tmp_path, "alpha", clock)
    personal_study(node, clock)
    yield node
    node.close()


def test_no_word_of_the_patient_is_left_and_the_chain_verifies(
    named: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    state = tmp_path / "alpha"
    clock.advance(DAY)
    seal_next(named)
    before = found_in(state, WORDS)
    assert {line[:5] for line in before} >= {"merid", "packs", "texts"}
    assert {line.split()[1] for line in before} == set(WORDS)
    done = erase_all(named, delete(named), clock)
    clock.advance(DAY)
    while seal_next(named) is not None:
        continue
    assert done.state == "done"
    assert list(verify(named)) == []
    assert len(list((state / "blocks").glob("*.jsonl"))) >= 2
    assert found_in(state, WORDS) == []


def test_no_word_is_left_in_a_database_of_many_studies(tmp_path: Path, clock: FrozenClock) -> None:
    """Rows and index entries stand among others, on pages that were split and joined since."""
    node = bare_node(tmp_path, "alpha", clock)
    others = [
        make_ct(study_uid=f"2.25.7{n}", sop_uid=f"2.25.7{n}.1", patient_name=f"WA^{n}", patient_id=f"P{n}")
        for n in range(120)
    ]
    for other in others[:60]:
        associate(node, other)
    personal_study(node, clock)
    for other in others[60:]:
        associate(node, other)
    ingest(node)
    done = erase_all(node, delete(node), clock)
    assert (done.state, len(rows_of(node))) == ("done", 120)
    assert found_in(tmp_path / "alpha", WORDS) == []
    node.close()


def test_planted_texts_that_are_not_erased_are_caught(
    named: Node, clock: FrozenClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "texts-left")
    done = erase_all(named, delete(named), clock)
    assert done.state == "done"
    assert any("REASONCANARY" in line for line in found_in(tmp_path / "alpha", WORDS))


def test_words_that_another_study_s_facts_name_stay(named: Node, clock: FrozenClock) -> None:
    other = replace(KEY, study_uid=StudyUID("2.25.5"))
    associate(named, make_ct(study_uid="2.25.5", sop_uid="2.25.5.1"))
    ingest(named)
    complete(named, other)
    (row,) = named.database.read("SELECT words FROM correction")
    shared = Statement(
        "INSERT INTO correction SELECT 'other', 99, kind, origin, '2.25.5', series_uid, patient_issuer, patient_id, words,"
        " code, person, at, undone_at, undone_by, undone_words, cause FROM correction"
    )
    named.write([shared])
    erase_all(named, delete(named), clock)
    assert named.database.read("SELECT 1 AS one FROM text WHERE digest = ?", (text(row, "words"),))


def test_a_rejected_study_is_deleted_too(named: Node, clock: FrozenClock) -> None:
    make_correction(named, TECHNICIAN, draft_rejection(named, KEY, code="113038"), reason="bad")
    complete(named)
    assert erase_all(named, delete(named), clock).state == "done"


def test_every_table_of_a_study_is_known(node: Node) -> None:
    """A table that comes later, with rows about a study, is named here or in what goes."""
    rows = node.database.read(
        "SELECT m.name AS name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c"
        " WHERE m.type = 'table' AND c.name = 'study_uid'"
    )
    assert {text(row, "name") for row in rows} == {*TABLES, "study", "study_answer", "deletion"}
