"""What the clinic corrects is so at the centre too: before its images come, after, and when it is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.correction_arrivals import apply_study_corrected_there
from federation.messages import AnnouncedStudy, Received, StudyCorrectedThere
from federation.policy import change_policy
from node.catalogue.correction_drafts import draft_merge, draft_move, draft_rejection, draft_study
from node.catalogue.corrections import make_correction, undo_correction
from node.catalogue.exits import data_set_pieces
from node.catalogue.finding import match_studies
from node.catalogue.search import EVERYTHING, get_study, instances_of
from node.clock import MINUTE
from node.dicom.attributes import read_attributes
from node.dicom.header import scan
from node.errors import InvalidRequest, Refused
from node.names import Cause, NodeId, PatientKey, StudyKey
from node.node import Node
from node.people.accounts import Person
from node.store.regions import read_pieces
from node.story import tell_story
from tests.kit.alliance import Alliance
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold
from tests.kit.instances import make_ct
from tests.kit.travelling import complete, contents_of, problems

CENTRE = NodeId("centre")
CHEN = Person(id="p1", user="chen", name="Chen", roles=frozenset({"technician"}))
A, B = PatientKey(issuer="alpha:his", id="A-17"), PatientKey(issuer="alpha:his", id="B-42")
WANG = {"patient_id": "B-42", "patient_name": "Wang^Wu"}


def ct(study: int, n: int, **changes: Any) -> bytes:
    uid = f"2.25.{study}"
    return make_ct(study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.{n}", number=n, **changes)


@pytest.fixture(params=["everything", "metadata"])
def alliance(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Alliance]:
    alliance = Alliance.found(tmp_path, FrozenClock())
    change_policy(alliance["alpha"].node, CENTRE, grant=request.param, by="test")
    yield alliance
    alliance.close()


def words(node: Node, key: StudyKey) -> tuple[str, str, str, int]:
    row = get_study(node.database, key)
    return row.patient_issuer, row.patient_id, row.patient_name, row.conflict


def given(node: Node, key: StudyKey) -> set[str]:
    """Give the Patient IDs that leave a node with a study's instances."""
    return {
        read_attributes(scan(read_pieces(data_set_pieces(node, row)), row.transfer_syntax)).study.patient_id
        for row in instances_of(node.database, key)
    }


def settled(alliance: Alliance, *keys: StudyKey) -> None:
    for key in keys:
        complete(alliance["alpha"].node, key)
    alliance.clock.advance(MINUTE)  # type: ignore[attr-defined]  # the test's own clock
    alliance.deliver_all()


def test_a_merge_and_what_takes_it_back_reach_the_peer(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    one, two = hold(alpha, [ct(1, 1), ct(1, 2)]), hold(alpha, [ct(2, 1, **WANG)])
    settled(alliance, one, two)
    plain = words(centre, one)
    assert plain == ("alpha:his", "A-17", "Zhang^San", 0)
    merged = make_correction(alpha, CHEN, draft_merge(alpha, A, B), reason="Same person")
    settled(alliance, one)
    assert words(centre, one) == words(alpha, one) == ("alpha:his", "B-42", "Wang^Wu", 0)
    images = bool(instances_of(centre.database, one))
    assert given(centre, one) == ({"B-42"} if images else set())
    alliance.clock.advance(MINUTE)  # type: ignore[attr-defined]  # the test's own clock
    hold(alpha, [ct(1, 3)])
    settled(alliance, one)
    assert words(centre, one)[1] == "B-42"
    assert given(centre, one) == ({"B-42"} if images else set())
    if images:
        assert contents_of(centre, one) == contents_of(alpha, one)
    undo_correction(alpha, CHEN, merged, reason="Two people")
    settled(alliance, one)
    assert words(centre, one) == plain
    assert given(centre, one) == ({"A-17"} if images else set())
    assert problems(centre) == []


def test_a_study_that_was_corrected_before_it_was_sent_comes_corrected(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    one, two = hold(alpha, [ct(1, 1), ct(1, 2)]), hold(alpha, [ct(2, 1, **WANG)])
    moved = make_correction(alpha, CHEN, draft_move(alpha, one, B), reason="Wrong patient")
    make_correction(alpha, CHEN, draft_study(alpha, one, {"description": "头颅"}), reason="Wrong words")
    settled(alliance, one, two)
    assert words(centre, one)[1:] == ("B-42", "Wang^Wu", 0)
    assert get_study(centre.database, one).description == "头颅"
    assert given(centre, one) <= {"B-42"}
    undo_correction(alpha, CHEN, moved, reason="It was right")
    settled(alliance, one)
    assert words(centre, one)[1:] == ("A-17", "Zhang^San", 0)
    assert given(centre, one) <= {"A-17"}


def test_what_is_rejected_is_not_sent_and_vanishes_where_it_was(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    one, two = hold(alpha, [ct(1, 1), ct(1, 2), ct(1, 3)]), hold(alpha, [ct(2, 1, **WANG)])
    first = draft_rejection(alpha, one, sop_uids=["2.25.1.1.1"])
    make_correction(alpha, CHEN, first, reason="Motion")
    settled(alliance, one, two)
    sent = {row.sop_uid for row in instances_of(centre.database, one, chosen_only=False)}
    assert sent <= {"2.25.1.1.2", "2.25.1.1.3"}
    rejected = make_correction(alpha, CHEN, draft_rejection(alpha, one, code="113037"), reason="Wrong side")
    settled(alliance, one)
    assert [row.study_uid for row in match_studies(centre.database, EVERYTHING, filters={})] == ["2.25.2"]
    undo_correction(alpha, CHEN, rejected, reason="It was right")
    settled(alliance, one)
    assert get_study(centre.database, one).rejected == 0
    assert len(instances_of(centre.database, one)) in (0, 2)
    assert problems(centre) == []
    pending = alpha.database.read("SELECT pending FROM decision WHERE pending > 0")
    assert pending == []


def test_the_story_at_a_peer_tells_that_the_origin_corrected(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    one = hold(alpha, [ct(1, 1)])
    settled(alliance, one)
    make_correction(alpha, CHEN, draft_study(alpha, one, {"description": "Other"}), reason="Wrong words")
    settled(alliance, one)
    assert [(fact.what, fact.who) for fact in tell_story(centre, one).facts if fact.what == "corrected"] == [
        ("corrected", "alpha")
    ]


def test_a_peer_corrects_its_own_studies_alone(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    one = hold(alpha, [ct(1, 1)])
    settled(alliance, one)
    row = get_study(centre.database, one)
    study = AnnouncedStudy(**{name: getattr(row, name) for name in AnnouncedStudy.__dataclass_fields__})
    received = Received(sender=NodeId("beta"), cause=Cause("c"), at=1)
    message = StudyCorrectedThere(origin="alpha", study=study, series=(), overlay="{}")
    with pytest.raises(Refused):
        apply_study_corrected_there(centre, received, message)
    own = Received(sender=NodeId("alpha"), cause=Cause("c"), at=1)
    for overlay in (
        '{"patients":{"A-17":{"issuer":"centre:his","id":"X"}}}', "[]", "{" * 10, '{"study":{"study_id":"7"}}',
        '{"series":{"2.25.1.1":{"number":"7"}}}', '{"study":{"description":"' + "x" * 5000 + '"}}',
    ):  # fmt: skip
        forged = StudyCorrectedThere(origin="alpha", study=study, series=(), overlay=overlay)
        with pytest.raises((Refused, InvalidRequest)):
            apply_study_corrected_there(centre, own, forged)
