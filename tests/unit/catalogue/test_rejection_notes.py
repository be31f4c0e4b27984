"""A device's rejection note hides what it lists, whatever comes first; a person may restore it."""

from __future__ import annotations

from node.catalogue.correction_facts import newest_facts
from node.catalogue.corrections import undo_correction
from node.catalogue.finding import match_instances
from node.catalogue.search import EVERYTHING, get_study
from node.node import Node
from tests.kit.notes_of_rejection import make_note
from tests.unit.catalogue.test_corrections import TECHNICIAN, ct, rows, send, study

NOTE = make_note(["2.25.1.1.2", "2.25.1.1.3"])


def found(node: Node) -> set[str]:
    return {row.sop_uid for row in match_instances(node.database, EVERYTHING, filters={})}


def test_a_note_rejects_what_it_lists_and_itself(node: Node) -> None:
    send(node, ct(1), ct(2), ct(3))
    before = rows(node)
    send(node, NOTE)
    assert found(node) == {"2.25.1.1.1"}
    assert get_study(node.database, study(1)).instance_count == 1
    (note,) = newest_facts(node.database, node.id)
    assert (note.row.code, note.words.by, note.row.person) == ("113001", "CT1", "")
    undo_correction(node, TECHNICIAN, note.row.id, reason="They are readable")
    restored = [one for one in rows(node)["instance"] if one["series_uid"] == "2.25.1.1"]
    assert restored == before["instance"]


def test_a_note_that_comes_first_or_in_the_same_batch_rejects_all_the_same(node: Node) -> None:
    send(node, NOTE)
    send(node, ct(1), ct(2))
    assert found(node) == {"2.25.1.1.1"}
    send(node, ct(1, study=2), make_note(["2.25.2.1.1"], study_uid="2.25.2", sop_uid="2.25.2.9.1"), study=2)
    assert found(node) == {"2.25.1.1.1"}
    assert get_study(node.database, study(2)).rejected == 1


def test_a_note_of_one_study_may_list_another(node: Node) -> None:
    send(node, ct(1, study=2), ct(2, study=2), study=2)
    send(node, make_note(["2.25.2.1.1"], listed_study="2.25.2"))
    assert found(node) == {"2.25.1.9.1", "2.25.2.1.2"}
    send(node, make_note(["2.25.3.1.1"], listed_study="2.25.3", sop_uid="2.25.1.9.2"))
    send(node, ct(1, study=3), ct(2, study=3), study=3)
    assert "2.25.3.1.1" not in found(node)
    assert "2.25.3.1.2" in found(node)


def test_several_notes_of_one_batch_list_the_same_other_study(node: Node) -> None:
    send(node, ct(1, study=2), ct(2, study=2), ct(3, study=2), study=2)
    send(
        node,
        make_note(["2.25.2.1.1"], listed_study="2.25.2"),
        make_note(["2.25.2.1.2"], listed_study="2.25.2", sop_uid="2.25.1.9.2"),
        make_note(["2.25.5.1.1"], listed_study="2.25.5", sop_uid="2.25.1.9.3"),
        make_note(["2.25.5.1.2"], listed_study="2.25.5", sop_uid="2.25.1.9.4"),
    )
    assert {uid for uid in found(node) if uid.startswith("2.25.2.")} == {"2.25.2.1.3"}


def test_a_note_that_comes_twice_is_one_fact(node: Node) -> None:
    send(node, ct(1), ct(2), NOTE, NOTE)
    send(node, NOTE)
    assert len(newest_facts(node.database, node.id)) == 1


def test_another_key_object_rejects_nothing(node: Node) -> None:
    send(node, ct(1), ct(2), make_note(["2.25.1.1.2"], code="113000"))
    assert found(node) == {"2.25.1.1.1", "2.25.1.1.2", "2.25.1.9.1"}
