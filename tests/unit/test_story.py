"""The story of a study: facts from many rows, in order, with who and how much."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.canonical import canonical_json
from node.clock import SECOND
from node.database.port import Statement, text
from node.events import StudyCompleted
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from node.story import StoryFact, tell_story
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold, hold_ct
from tests.kit.instances import make_ct

UID = "2.25.7"


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    opened = bare_node(tmp_path, "alpha", clock)
    yield opened
    opened.bell.close()
    opened.database.close()


def cause_of(node: Node, key: StudyKey) -> Cause:
    (row,) = node.database.read("SELECT cause FROM study WHERE study_uid = ?", (key.study_uid,))
    return Cause(text(row, "cause"))


def complete(node: Node, key: StudyKey) -> None:
    version = node.journal.version(key.subject)
    event = StudyCompleted(instances=2, reason="quiet")
    node.write(node.journal.append(key.subject, [event], after=version, cause=cause_of(node, key)))


def seal(node: Node, key: StudyKey, *, k: int = 1, size: int = 900) -> None:
    node.write(
        [
            Statement(
                "INSERT INTO part (peer, origin, study_uid, k, direction, blob, blob_key, bytes, instances,"
                " manifest_digest, state, at, cause) VALUES ('centre', ?, ?, ?, 'out', 'b', 'k', ?, 2, 'm', 'offered', ?, ?)",
                (key.origin, key.study_uid, k, size, node.now(), cause_of(node, key)),
            )
        ]
    )


def send(node: Node, key: StudyKey, message: dict[str, object], *, type_: str, received: int | None) -> None:
    body = canonical_json({"study_uid": key.study_uid, **message})
    (row,) = node.database.read("SELECT count(*) AS n FROM outbox")
    node.write(
        [
            Statement(
                "INSERT INTO outbox (peer, inc, n, type, message, cause, state, at, deposited_at, received_at)"
                " VALUES ('centre', 'i', ?, ?, ?, ?, 'deposited', ?, ?, ?)",
                (int(row["n"] or 0) + 1, type_, body, cause_of(node, key), node.now(), node.now(), received),
            )
        ]
    )


def told(node: Node, key: StudyKey) -> list[str]:
    return [fact.what for fact in tell_story(node, key).facts]


def one(node: Node, key: StudyKey, what: str) -> StoryFact:
    (fact,) = [fact for fact in tell_story(node, key).facts if fact.what == what]
    return fact


def test_a_study_s_way_to_a_peer_is_told_in_order(node: Node, clock: FrozenClock) -> None:
    key = hold_ct(node, study_uid=UID, slices=2)
    clock.advance(SECOND)
    complete(node, key)
    clock.advance(SECOND)
    seal(node, key)
    clock.advance(SECOND)
    send(node, key, {"k": 1, "bytes": 900}, type_="part-offered/1", received=clock.now() + SECOND)
    assert told(node, key) == ["received", "registered", "completed", "sealed", "delivered"]
    assert tell_story(node, key).cause == cause_of(node, key)
    delivered = one(node, key, "delivered")
    assert (delivered.who, delivered.bytes, delivered.at) == ("centre", 900, clock.now() + SECOND)
    registered = one(node, key, "registered")
    assert (registered.who, registered.detail["instances"]) == ("CT1", 2)
    assert registered.bytes == one(node, key, "received").bytes


def test_mail_without_a_receipt_is_deposited_not_delivered(node: Node) -> None:
    key = hold_ct(node, study_uid=UID)
    send(node, key, {"images": True}, type_="study-announced/1", received=None)
    assert one(node, key, "deposited").detail["message"] == "study-announced"


def test_a_peer_that_may_not_have_the_study_is_named_with_the_reason(node: Node) -> None:
    key = hold_ct(node, study_uid=UID)
    decided = "INSERT INTO decision (peer, origin, study_uid, outcome, reason, at) VALUES (?, ?, ?, ?, ?, ?)"
    for peer, outcome in (("centre", "nothing"), ("beta", "metadata")):
        params = (peer, key.origin, key.study_uid, outcome, f"policy: {outcome}", node.now())
        node.write([Statement(decided, params)])
    withheld = one(node, key, "withheld")
    assert (withheld.who, withheld.detail["reason"]) == ("centre", "policy: nothing")


def test_batches_of_one_device_are_one_fact_and_another_device_another(
    node: Node, clock: FrozenClock
) -> None:
    for number, calling in enumerate(("CT1", "CT1", "CT2"), start=1):
        data_set = make_ct(study_uid=UID, series_uid=f"{UID}.1", sop_uid=f"{UID}.1.{number}", number=number)
        key = hold(node, [data_set], calling=calling)
        clock.advance(SECOND)
    registered = [fact for fact in tell_story(node, key).facts if fact.what == "registered"]
    assert [(fact.who, fact.detail["instances"]) for fact in registered] == [("CT1", 2), ("CT2", 1)]
    assert registered[0].at - int(str(registered[0].detail["since"])) == SECOND


def test_another_study_of_the_same_association_is_not_told(node: Node) -> None:
    key, other = hold_ct(node, study_uid=UID), hold_ct(node, study_uid="2.25.8")
    node.write([Statement("UPDATE study SET cause = ?", (cause_of(node, key),))])
    send(node, other, {"k": 1, "bytes": 5}, type_="part-offered/1", received=1)
    assert "delivered" not in told(node, key)
    assert "delivered" in told(node, other)


def test_what_the_other_node_did_comes_as_its_own_dated_facts(node: Node, clock: FrozenClock) -> None:
    key = hold_ct(node, study_uid=UID)
    now = clock.now()
    node.write(
        [
            Statement(
                "INSERT INTO consult_case (case_id, clinic, home, pool, origin, study_uid, kind, urgency, specialty, form,"
                " state, cancelling, amended, requested_at, requested_by, due, reason, claimed_by, claimed_name,"
                " report_id, returned_at, version, cause) VALUES ('c1', 'alpha', 'centre', 'centre/chest', 'alpha', ?,"
                " 'diagnosis', 'routine', 's', 'f', 'signed', 0, 0, ?, '王技师', 0, '', '', '', 'r1', ?, 3, 'x')",
                (UID, now + SECOND, now + 9 * SECOND),
            ),
            *(
                Statement(
                    "INSERT INTO case_fact (case_id, n, at, node, type, body) VALUES ('c1', ?, ?, 'centre', ?, ?)",
                    (n, now + (n + 1) * SECOND, type_, canonical_json({"by": "李主任"})),
                )
                for n, type_ in enumerate(
                    ("case-offered/1", "case-claimed/1", "case-read/1", "case-signed/1"), start=1
                )
            ),
        ]
    )
    facts = [(fact.node, fact.what, fact.who) for fact in tell_story(node, key).facts[2:]]
    assert facts == [
        ("alpha", "requested", "王技师"),
        ("centre", "offered", "李主任"),
        ("centre", "claimed", "李主任"),
        ("centre", "read", "李主任"),
        ("centre", "signed", "李主任"),
        ("alpha", "returned", "centre"),
    ]


def test_what_came_from_a_peer_is_not_told_as_received_by_a_device(node: Node) -> None:
    key = hold_ct(node, study_uid=UID, origin="beta")
    assert told(node, key) == ["registered"]


def test_nothing_is_told_of_a_study_that_never_was(node: Node) -> None:
    story = tell_story(node, StudyKey(origin=NodeId("alpha"), study_uid=StudyUID("2.25.404")))
    assert (story.cause, story.facts) == ("", ())


@pytest.mark.parametrize(
    ("kind", "state", "what"),
    [
        ("send", "done", "sent"), ("send", "failed", "not-sent"), ("get", "done", "retrieved"),
        ("get", "cancelled", "not-retrieved"),
    ],
)  # fmt: skip
def test_what_went_to_and_from_other_pacs_is_told_when_it_has_ended(
    node: Node, clock: FrozenClock, kind: str, state: str, what: str
) -> None:
    key = hold_ct(node, study_uid=UID, slices=2)
    for id_, ended_at in (("ended", clock.now() + SECOND), ("running", None)):
        node.write(
            [
                Statement(
                    "INSERT INTO transfer (id, kind, remote, remote_name, origin, study_uid, series, label, by, by_name,"
                    " state, done, failed, bytes, next_at, at, ended_at, seen_at, cause)"
                    " VALUES (?, ?, 'r', 'City PACS', ?, ?, '', 'Zhang^San', 'p', 'Chen', ?, 2, 1, 900, 0, 0, ?, 0, 'c')",
                    (id_, kind, key.origin, key.study_uid, state if ended_at else "running", ended_at),
                )
            ]
        )
    fact = one(node, key, what)
    assert (fact.at, fact.who, fact.bytes) == (clock.now() + SECOND, "City PACS", 900)
    assert fact.detail == {"by": "Chen", "instances": 2, "failed": 1}
    assert told(node, key)[-1] == what


def test_a_study_whose_instances_disagree_about_the_patient_says_so(node: Node) -> None:
    named = {"Zhang^San": "A-17", "Wang^Wu": "B-42"}
    slices = [
        make_ct(
            study_uid=UID, series_uid=f"{UID}.1", sop_uid=f"{UID}.1.{n}", number=n, patient_id=id_, patient_name=name
        )
        for n, (name, id_) in enumerate(named.items(), 1)
    ]  # fmt: skip
    key = hold(node, slices)
    assert one(node, key, "conflict").detail["patients"] == 2
