"""What persons correct, over a real database and packs: made, previewed, undone, and what comes afterwards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from node.catalogue.correction_drafts import (
    draft_choice,
    draft_merge,
    draft_move,
    draft_patient,
    draft_rejection,
    draft_series,
    draft_study,
)
from node.catalogue.correction_facts import PatientChange
from node.catalogue.corrections import make_correction, preview_correction, undo_correction
from node.catalogue.finding import match_patients, match_series, match_studies
from node.catalogue.identity import Patient
from node.catalogue.search import EVERYTHING, StudyRow, get_study, instances_of, series_of
from node.clock import SECOND
from node.errors import Conflict, FieldMissing, InvalidRequest, NotFound, Refused
from node.names import NodeId, PatientKey, StudyKey, StudyUID
from node.node import Node
from node.people.accounts import Person
from tests.kit.instances import make_ct
from tests.kit.people import TECHNICIAN
from tests.kit.registering import facts, receive

TABLES = {
    "study": "origin, study_uid",
    "series": "study_uid, series_uid",
    "instance": "study_uid, sop_uid, digest",
    "study_identity": "study_uid, patient_issuer, patient_id, patient_name",
    "overlay": "study_uid",
    "said": "study_uid, series_uid",
    "study_correction": "study_uid, correction",
}


def study(n: int = 1) -> StudyKey:
    return StudyKey(origin=NodeId("alpha"), study_uid=StudyUID(f"2.25.{n}"))


def patient(id_: str, issuer: str = "alpha:HIS") -> PatientKey:
    return PatientKey(issuer=issuer, id=id_)


def ct(n: int = 1, *, study: int = 1, series: int = 1, **changes: Any) -> bytes:
    return make_ct(
        study_uid=f"2.25.{study}",
        series_uid=f"2.25.{study}.{series}",
        sop_uid=f"2.25.{study}.{series}.{n}",
        number=n,
        **changes,
    )


def send(node: Node, *data_sets: bytes, study: int = 1, issuer: str = "HIS") -> None:
    node.clock.advance(10 * SECOND)  # type: ignore[attr-defined]  # the test's own clock
    receive(node, *data_sets, given=facts(node, study_uid=f"2.25.{study}", issuer=issuer))


def rows(node: Node) -> dict[str, list[dict[str, Any]]]:
    return {
        table: node.database.read(f"SELECT * FROM {table} ORDER BY {order}")
        for table, order in TABLES.items()
    }


def shown(row: StudyRow) -> tuple[str, str]:
    return row.patient_id, row.patient_name


@pytest.fixture
def two(node: Node) -> Node:
    send(node, ct(1), ct(2))
    send(node, ct(1, study=2), study=2)
    send(node, ct(1, study=3, patient_id="B-42", patient_name="Wang^Wu"), study=3)
    return node


def test_merging_makes_all_studies_the_other_s_and_unmerging_leaves_exactly_what_was(two: Node) -> None:
    before = rows(two)
    draft = draft_merge(two, patient("A-17"), patient("B-42"))
    preview = preview_correction(two, draft)
    assert rows(two) == before
    assert [(shown(one.before), shown(one.after)) for one in preview.changes] == [
        (("A-17", "Zhang^San"), ("B-42", "Wang^Wu"))
    ] * 2
    merged = make_correction(two, TECHNICIAN, draft, reason="Same person", seen=preview.digest)
    assert {shown(row) for row in match_studies(two.database, EVERYTHING, filters={})} == {
        ("B-42", "Wang^Wu")
    }
    assert [row.study_count for row in match_patients(two.database, EVERYTHING, filters={})] == [3]
    undo_correction(two, TECHNICIAN, merged, reason="They are two")
    assert rows(two) == before


def test_what_comes_after_a_merge_is_the_other_s_too(two: Node) -> None:
    make_correction(two, TECHNICIAN, draft_merge(two, patient("A-17"), patient("B-42")), reason="Same")
    send(two, ct(3))
    send(two, ct(1, study=4), study=4)
    assert {shown(row) for row in match_studies(two.database, EVERYTHING, filters={})} == {
        ("B-42", "Wang^Wu")
    }
    assert get_study(two.database, study(1)).instance_count == 3


def test_unmerging_gives_back_what_came_meanwhile(two: Node, tmp_path: Path) -> None:
    merged = make_correction(
        two, TECHNICIAN, draft_merge(two, patient("A-17"), patient("B-42")), reason="Same"
    )
    send(two, ct(3))
    send(two, ct(1, study=4), study=4)
    undo_correction(two, TECHNICIAN, merged, reason="They are two")
    assert {shown(get_study(two.database, study(n))) for n in (1, 2, 4)} == {("A-17", "Zhang^San")}
    assert rows(two)["said"] == rows(two)["overlay"] == rows(two)["study_correction"] == []


def test_a_chain_of_merges_is_followed_and_taken_apart(two: Node) -> None:
    send(two, ct(1, study=5, patient_id="C-1", patient_name="Zhao^Liu"), study=5)
    one = make_correction(two, TECHNICIAN, draft_merge(two, patient("A-17"), patient("B-42")), reason="1")
    make_correction(two, TECHNICIAN, draft_merge(two, patient("B-42"), patient("C-1")), reason="2")
    assert {row.patient_id for row in match_studies(two.database, EVERYTHING, filters={})} == {"C-1"}
    undo_correction(two, TECHNICIAN, one, reason="They are two")
    ids = {n: get_study(two.database, study(n)).patient_id for n in (1, 2, 3, 5)}
    assert ids == {1: "A-17", 2: "A-17", 3: "C-1", 5: "C-1"}


def test_nobody_is_merged_across_origins_or_issuers_by_a_bare_id(two: Node) -> None:
    send(two, ct(1, study=6, patient_name="Sun^Qi"), study=6, issuer="LAB")
    with pytest.raises(Refused, match="another hospital"):
        draft_merge(two, patient("A-17"), patient("A-17", "beta:HIS"))
    make_correction(two, TECHNICIAN, draft_merge(two, patient("A-17"), patient("B-42")), reason="Same")
    assert shown(get_study(two.database, study(6))) == ("A-17", "Sun^Qi")


def test_a_planted_merge_by_bare_id_is_caught(two: Node) -> None:
    with patch("node.failpoints._PLANTED", frozenset({"merge-by-bare-id"})), pytest.raises(AssertionError):
        test_nobody_is_merged_across_origins_or_issuers_by_a_bare_id(two)


def test_a_planted_unmerge_that_forgets_one_study_is_caught(two: Node) -> None:
    with patch("node.failpoints._PLANTED", frozenset({"unmerge-forgets-one"})), pytest.raises(AssertionError):
        test_merging_makes_all_studies_the_other_s_and_unmerging_leaves_exactly_what_was(two)


def test_a_merge_that_is_not_what_was_shown_is_refused(two: Node) -> None:
    draft = draft_merge(two, patient("A-17"), patient("B-42"))
    preview = preview_correction(two, draft)
    send(two, ct(1, study=4), study=4)
    before = rows(two)
    with pytest.raises(Conflict, match="Look at the preview"):
        make_correction(two, TECHNICIAN, draft, reason="Same", seen=preview.digest)
    assert rows(two) == before


def test_a_study_that_is_registered_while_patients_are_merged_is_merged_too(two: Node) -> None:
    """Registration decided before the merge was written: it must decide again."""
    from node.catalogue import registration

    draft = draft_merge(two, patient("A-17"), patient("B-42"))
    decided = registration.grow

    def merge_first(*given: Any, **more: Any) -> Any:
        growth = decided(*given, **more)
        with patch.object(registration, "grow", decided):
            make_correction(two, TECHNICIAN, draft, reason="Same")
        return growth

    with patch.object(registration, "grow", merge_first), pytest.raises(Conflict):
        send(two, ct(1, study=4), study=4)
    assert get_study(two.database, study(1)).patient_id == "B-42"
    with pytest.raises(NotFound):
        get_study(two.database, study(4))


def test_a_study_moves_to_the_right_patient_and_back(two: Node) -> None:
    before = rows(two)
    moved = make_correction(
        two, TECHNICIAN, draft_move(two, study(1), patient("B-42")), reason="Wrong patient chosen"
    )
    assert shown(get_study(two.database, study(1))) == ("B-42", "Wang^Wu")
    assert shown(get_study(two.database, study(2))) == ("A-17", "Zhang^San")
    send(two, ct(3))
    assert (get_study(two.database, study(1)).patient_id, get_study(two.database, study(1)).conflict) == (
        "B-42",
        0,
    )
    undo_correction(two, TECHNICIAN, moved, reason="It was right")
    assert shown(get_study(two.database, study(1))) == ("A-17", "Zhang^San")
    after = rows(two)
    assert after["overlay"] == after["said"] == before["said"] == []


def test_a_study_sent_again_under_the_right_patient_after_a_move_is_no_conflict(two: Node) -> None:
    make_correction(two, TECHNICIAN, draft_move(two, study(1), patient("B-42")), reason="Wrong patient")
    right = {"patient_id": "B-42", "patient_name": "Wang^Wu"}
    send(two, ct(1, **right), ct(2, **right), ct(3, **right))
    row = get_study(two.database, study(1))
    assert (shown(row), row.conflict, row.instance_count) == (("B-42", "Wang^Wu"), 0, 3)
    states = sorted(one.state for one in instances_of(two.database, study(1), chosen_only=False))
    assert states == ["alternative", "alternative", "chosen", "chosen", "chosen"]


def test_a_move_clears_what_was_red_when_the_study_had_been_sent_again_before(two: Node) -> None:
    right = {"patient_id": "B-42", "patient_name": "Wang^Wu"}
    send(two, ct(1, **right), ct(2, **right))
    assert get_study(two.database, study(1)).conflict == 2
    before = rows(two)
    moved = make_correction(two, TECHNICIAN, draft_move(two, study(1), patient("B-42")), reason="Wrong")
    row = get_study(two.database, study(1))
    assert (shown(row), row.conflict) == (("B-42", "Wang^Wu"), 0)
    assert two.database.read("SELECT kind FROM problem WHERE seen_at IS NULL") == []
    send(two, ct(4, patient_id="C-1", patient_name="Zhao^Liu"))
    assert get_study(two.database, study(1)).conflict == 2, "somebody else again is red again"
    undo_correction(two, TECHNICIAN, moved, reason="No")
    assert [one for one in rows(two)["instance"] if not one["sop_uid"].endswith(".4")] == before["instance"]


def test_a_study_moves_to_a_patient_who_is_new_here(two: Node) -> None:
    new = Patient(key=patient("N-1"), name="Sun^Qi=孙^七", birth_date="19900101", sex="F")
    make_correction(two, TECHNICIAN, draft_move(two, study(1), new), reason="Wrong")
    assert shown(get_study(two.database, study(1))) == ("N-1", "Sun^Qi=孙^七")
    with pytest.raises(InvalidRequest, match="is here"):
        draft_move(two, study(2), Patient(key=patient("B-42"), name="X", birth_date="", sex=""))


def test_attributes_are_corrected_at_their_level_and_undone(two: Node) -> None:
    before = rows(two)
    made = [
        make_correction(two, TECHNICIAN, draft, reason="Typing error")
        for draft in (
            draft_patient(two, patient("A-17"), PatientChange(name="Zhang^Shan", sex="F")),
            draft_study(two, study(1), {"accession": "ACC-9", "study_date": "20260101"}),
            draft_series(two, study(1), "2.25.1.1", {"modality": "MR", "body_part": "HEAD"}),
        )
    ]
    row = get_study(two.database, study(1))
    assert (row.patient_name, row.sex, row.accession, row.study_date) == (
        "Zhang^Shan",
        "F",
        "ACC-9",
        "20260101",
    )
    assert (row.modality_list, row.body_part_list, row.accession_issuer) == (["MR"], ["HEAD"], "alpha:")
    assert series_of(two.database, study(1))[0].modality == "MR"
    assert get_study(two.database, study(2)).patient_name == "Zhang^Shan"
    send(two, ct(5, series=2))
    assert get_study(two.database, study(1)).modality_list == ["CT", "MR"]
    for id_ in reversed(made):
        undo_correction(two, TECHNICIAN, id_, reason="Back")
    after = rows(two)
    assert [one for one in after["series"] if one["series_uid"] != "2.25.1.2"] == before["series"]
    assert get_study(two.database, study(1)).modality_list == ["CT"]
    assert after["said"] == []


def test_a_patient_id_that_another_has_is_merged_not_written(two: Node) -> None:
    with pytest.raises(InvalidRequest, match="Merge"):
        draft_patient(two, patient("A-17"), PatientChange(id="B-42"))


def test_rejected_instances_are_gone_and_restored(two: Node) -> None:
    send(two, ct(5, series=2))
    before = rows(two)
    draft = draft_rejection(two, study(1), series_uid="2.25.1.1")
    made = make_correction(two, TECHNICIAN, draft, reason="Motion")
    row = get_study(two.database, study(1))
    assert (row.instance_count, row.series_count, row.rejected) == (1, 1, 0)
    assert [
        one.series_uid
        for one in match_series(two.database, EVERYTHING, filters={"StudyInstanceUID": "2.25.1"})
    ] == ["2.25.1.2"]
    send(two, ct(1))
    assert get_study(two.database, study(1)).instance_count == 1, "the same again is rejected still"
    send(two, ct(1, description="A new take"))
    assert get_study(two.database, study(1)).instance_count == 2, "what is another content is another matter"
    undo_correction(two, TECHNICIAN, made, reason="It is readable")
    first = [one for one in rows(two)["instance"] if one["sop_uid"] == "2.25.1.1.2"]
    assert first == [one for one in before["instance"] if one["sop_uid"] == "2.25.1.1.2"]


def test_a_study_of_which_all_is_rejected_is_in_no_list(two: Node) -> None:
    before = rows(two)
    made = make_correction(
        two, TECHNICIAN, draft_rejection(two, study(1), code="113037"), reason="Wrong side"
    )
    assert [row.study_uid for row in match_studies(two.database, EVERYTHING, filters={})] == [
        "2.25.3",
        "2.25.2",
    ]
    undo_correction(two, TECHNICIAN, made, reason="It was right")
    assert rows(two) == before


def test_the_content_that_a_person_chose_is_shown_and_the_conflict_is_over(two: Node) -> None:
    send(two, ct(1, description="Another"))
    before = rows(two)
    assert get_study(two.database, study(1)).conflict == 1
    other = next(
        one for one in instances_of(two.database, study(1), chosen_only=False) if one.state == "conflict"
    )
    made = make_correction(
        two,
        TECHNICIAN,
        draft_choice(two, study(1), other.sop_uid, other.digest),
        reason="The second is right",
    )
    assert get_study(two.database, study(1)).conflict == 0
    states = {one.digest: one.state for one in instances_of(two.database, study(1), chosen_only=False)}
    assert states[other.digest] == "chosen"
    assert sorted(states.values()) == ["aside", "chosen", "chosen"]
    send(two, ct(1, description="A third"))
    assert get_study(two.database, study(1)).conflict == 1, "what comes later is a conflict again"
    undo_correction(two, TECHNICIAN, made, reason="No")
    after = [one for one in rows(two)["instance"] if one["received_at"] <= other.received_at]
    assert after == before["instance"]


def test_only_technicians_correct_with_a_reason_and_once_undone_is_undone(two: Node) -> None:
    draft = draft_merge(two, patient("A-17"), patient("B-42"))
    administrator = Person(id="p2", user="adm", name="Adm", roles=frozenset({"administrator"}))
    with pytest.raises(Refused):
        make_correction(two, administrator, draft, reason="Same")
    with pytest.raises(FieldMissing):
        make_correction(two, TECHNICIAN, draft, reason="  ")
    made = make_correction(two, TECHNICIAN, draft, reason="Same")
    undo_correction(two, TECHNICIAN, made, reason="No")
    with pytest.raises(Conflict, match="already"):
        undo_correction(two, TECHNICIAN, made, reason="No")


def test_no_word_of_a_patient_stands_in_the_journal(two: Node) -> None:
    make_correction(
        two,
        TECHNICIAN,
        draft_patient(two, patient("A-17"), PatientChange(name="Unheard^Of")),
        reason="Why^Not",
    )
    bodies = "".join(str(row) for row in two.database.read("SELECT subject, body FROM journal"))
    assert "Unheard" not in bodies
    assert "A-17" not in bodies
    assert "Why^Not" not in bodies
    assert os.environ.get("MERIDIAN_PLANTED") is None
