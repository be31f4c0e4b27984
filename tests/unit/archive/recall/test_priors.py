"""Earlier studies that come back for a consult: the same person's, alike, few, and only where there is room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from actors.archive import Archive
from federation.consult.requests import ConsultRequested
from node.archive.lifecycle.fullness import online_bytes
from node.archive.lifecycle.rules import Limits
from node.archive.lifecycle.ruling import change_rules, get_rules
from node.archive.recall.asking import PRIORS, ask_recall
from node.archive.recall.priors import Sought, recall_early, recall_priors_of
from node.archive.recall.recalling import bring
from node.archive.recall.tickets import lies_away, list_tickets, open_tickets
from node.clock import SECOND
from node.database.port import Statement
from node.names import Cause, NodeId, PatientKey, StudyKey, Subject
from node.node import Node
from node.people.accounts import OPERATOR
from tests.kit.actors import Failures
from tests.kit.archived_study import archive, expire_at_once, hold_another, hold_study
from tests.kit.bare_node import two_stores
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY
from tests.kit.planting import planted

COUNT = 5


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    """A node with a study that is online, and five earlier ones of the same patient in the archive alone."""
    node = two_stores(tmp_path, clock)
    hold_study(node)
    for number in range(COUNT):
        key = hold_another(node, number)
        say(node, key, study_date=f"202{number}0101")
        archive(node, key)
        expire_at_once(node, clock, key)
    clock.advance(SECOND)
    yield node
    node.close()


def say(node: Node, key: StudyKey, **words: str | int) -> None:
    """Let a study's row say something else."""
    for name, value in words.items():
        row = Statement(f"UPDATE study SET {name} = ? WHERE study_uid = ?", (value, key.study_uid), expect=1)
        node.write([row])


def earlier(number: int) -> StudyKey:
    return replace(KEY, study_uid=f"2.25.7{number}")  # type: ignore[arg-type]


def asked(node: Node) -> list[str]:
    """Give the numbers of the studies that were asked for."""
    return [one.study_uid[-1] for one in open_tickets(node.database)]


def limit(node: Node, **limits: int) -> None:
    before = get_rules(node).rules
    change_rules(node, OPERATOR, msgspec.structs.replace(before, limits=Limits(**limits)))


def test_the_three_newest_come_after_all_that_somebody_waits_for(node: Node) -> None:
    assert [key.study_uid[-1] for key in recall_priors_of(node, KEY)] == ["4", "3", "2"]
    found = open_tickets(node.database)
    assert {(one.why, one.who, one.asker, one.priority) for one in found} == {(PRIORS, "", "", 4)}
    assert recall_priors_of(node, KEY) == [], "they are on their way"
    assert len(open_tickets(node.database)) == 3
    hers = ask_recall(node, OPERATOR, earlier(0), who="Dr. Li", asker="li")
    assert hers.priority < found[0].priority


def test_they_are_of_the_same_modality_or_body_part(node: Node) -> None:
    say(node, KEY, modalities='["CT"]', body_parts='["CHEST"]')
    for number, (modality, part) in enumerate(
        [("MR", "HEAD"), ("MR", "CHEST"), ("CT", "HEAD"), ("DX", "HAND"), ("MR", "HEAD")]
    ):
        say(node, earlier(number), modalities=f'["{modality}"]', body_parts=f'["{part}"]')
    recall_priors_of(node, KEY)
    assert sorted(asked(node)) == ["1", "2"]


def test_they_are_the_same_person_s_by_the_whole_key(node: Node) -> None:
    say(node, earlier(4), patient_issuer="alpha:ANOTHER")
    say(node, earlier(3), conflict=2)
    say(node, earlier(2), rejected=1)
    recall_priors_of(node, KEY)
    assert sorted(asked(node)) == ["0", "1"]


def test_one_of_the_newest_that_is_online_is_not_made_up_for_by_an_older(node: Node) -> None:
    bring(node, earlier(3), who="", why="asked")
    recall_priors_of(node, KEY)
    assert sorted(asked(node)) == ["2", "4"]


def test_planted_priors_by_a_bare_patient_id_are_caught(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    say(node, earlier(4), patient_issuer="alpha:ANOTHER")
    planted(monkeypatch, "priors-by-bare-id")
    recall_priors_of(node, KEY)
    assert "4" in asked(node)


def test_a_study_that_names_two_people_has_none(node: Node) -> None:
    say(node, KEY, conflict=2)
    assert recall_priors_of(node, KEY) == []
    assert recall_priors_of(node, replace(KEY, origin=NodeId("beta"))) == []


def test_the_limits_say_how_many_and_how_much(node: Node) -> None:
    limit(node, priors=0)
    assert recall_priors_of(node, KEY) == []
    limit(node, priors_bytes=1)
    assert recall_priors_of(node, KEY) == []
    limit(node, priors=1)
    assert len(recall_priors_of(node, KEY)) == 1


def test_none_comes_while_room_is_short_or_would_be(node: Node) -> None:
    online = online_bytes(node.database)
    limit(node, online_bytes=online - 1, pressure_percent=100)
    assert recall_priors_of(node, KEY) == []
    limit(node, online_bytes=online + 10, pressure_percent=100)
    assert recall_priors_of(node, KEY) == [], "they would bring the pressure"
    limit(node, online_bytes=2 * online, pressure_percent=100)
    assert recall_priors_of(node, KEY) != []


def test_planted_priors_under_pressure_are_caught(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(node, online_bytes=online_bytes(node.database) - 1, pressure_percent=100)
    planted(monkeypatch, "brought-under-pressure")
    assert recall_priors_of(node, KEY) != []


def test_a_consult_that_is_asked_for_brings_them_once(node: Node) -> None:
    event = ConsultRequested(
        home="centre", pool="centre/chest", origin=KEY.origin, study_uid=KEY.study_uid, kind="first",
        urgency="routine", specialty="", words="", by="li", instances=6, incomplete=False,
    )  # fmt: skip
    node.write(node.journal.append(Subject("request/1"), [event], after=0, cause=Cause("c")))
    for _ in range(2):
        actor = Archive(Failures(), node)
        while actor.step() == 0:
            pass
    assert sorted(asked(node)) == ["2", "3", "4"]
    assert len(list_tickets(node.database, limit=10)) == 3


def test_patients_of_tomorrow_can_be_brought_without_a_study_at_hand(node: Node) -> None:
    (row,) = node.database.read(
        "SELECT patient_issuer AS i, patient_id AS p FROM study WHERE study_uid = '2.25.70'"
    )
    patient = PatientKey(issuer=str(row["i"]), id=str(row["p"]))
    found = recall_early(node, [Sought(patient=patient)], why="worklist")
    assert [key.study_uid[-1] for key in found] == ["4", "3"], "the newest of three is here"
    assert {one.why for one in open_tickets(node.database)} == {"worklist"}


def test_what_is_on_its_way_for_one_patient_leaves_less_room_for_the_next(node: Node) -> None:
    say(node, earlier(0), patient_id="Q-1")
    (row,) = node.database.read(
        "SELECT patient_issuer AS i, patient_id AS p FROM study WHERE study_uid = '2.25.74'"
    )
    both = [Sought(patient=PatientKey(issuer=str(row["i"]), id=number)) for number in (str(row["p"]), "Q-1")]
    _, size = lies_away(node.database, earlier(4))
    limit(node, online_bytes=online_bytes(node.database) + size + 10, pressure_percent=100)
    assert [key.study_uid[-1] for key in recall_early(node, both, why="expected")] == ["4"]
    assert recall_early(node, both, why="expected") == []


def test_what_is_on_its_way_already_takes_no_room_twice(node: Node) -> None:
    (row,) = node.database.read(
        "SELECT patient_issuer AS i, patient_id AS p FROM study WHERE study_uid = '2.25.74'"
    )
    hers = Sought(patient=PatientKey(issuer=str(row["i"]), id=str(row["p"])))
    _, size = lies_away(node.database, earlier(4))
    online = online_bytes(node.database)
    limit(node, online_bytes=online + size + 10, pressure_percent=100)
    assert [key.study_uid[-1] for key in recall_early(node, [hers], why="expected")] == ["4"]
    limit(node, online_bytes=online + 2 * size + 10, pressure_percent=100)
    assert [key.study_uid[-1] for key in recall_early(node, [hers], why="expected")] == ["3"]
