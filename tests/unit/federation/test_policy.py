from __future__ import annotations

from itertools import product

import pytest

from federation.policy import (
    Facts,
    Grant,
    Outcome,
    Policy,
    change_policy,
    decide,
    decision_of,
    may_refer,
    policy_of,
)
from node.errors import InvalidRequest
from node.names import NodeId, StudyKey, StudyUID
from tests.kit.correspondence import Correspondence

CENTRE = NodeId("centre")


def facts(**changed) -> Facts:
    usual = {
        "own": True,
        "modalities": frozenset({"CT"}),
        "department": "CT",
        "conflict": 0,
        "referred": False,
        "known": True,
    }
    return Facts(**{**usual, **changed})


@pytest.mark.parametrize(
    ("grant", "referred", "outcome"),
    [
        ("nothing", False, "nothing"),
        ("nothing", True, "nothing"),
        ("referred", False, "nothing"),
        ("referred", True, "everything"),
        ("metadata", False, "metadata"),
        ("metadata", True, "everything"),
        ("everything", False, "everything"),
        ("everything", True, "everything"),
    ],
)
def test_each_grant_gives_what_it_says(grant: str, referred: bool, outcome: str) -> None:
    decision = decide(Policy(grant=Grant(grant)), facts(referred=referred))
    assert decision.outcome.value == outcome
    assert decision.reason


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [
        (Policy(grant=Grant.EVERYTHING, modalities=("CT", "MR")), "everything"),
        (Policy(grant=Grant.EVERYTHING, modalities=("MR",)), "nothing"),
        (Policy(grant=Grant.METADATA, departments=("CT",)), "metadata"),
        (Policy(grant=Grant.METADATA, departments=("US",)), "nothing"),
        (Policy(grant=Grant.EVERYTHING, modalities=("CT",), departments=("US",)), "nothing"),
    ],
)
def test_a_grant_is_narrowed_by_modality_and_department(policy: Policy, outcome: str) -> None:
    assert decide(policy, facts()).outcome.value == outcome
    assert decide(policy, facts(referred=True)).outcome is Outcome.EVERYTHING


def test_no_grant_passes_on_what_came_from_a_peer() -> None:
    for grant, referred in product(Grant, (False, True)):
        decision = decide(Policy(grant=grant), facts(own=False, referred=referred))
        assert decision.outcome is Outcome.NOTHING


def test_a_study_of_two_patients_is_blocked_wherever_it_would_go() -> None:
    for grant, referred in product(Grant, (False, True)):
        free = decide(Policy(grant=grant), facts(referred=referred))
        red = decide(Policy(grant=grant), facts(referred=referred, conflict=2))
        expected = Outcome.NOTHING if free.outcome is Outcome.NOTHING else Outcome.BLOCKED
        assert red.outcome is expected
    assert decide(Policy(grant=Grant.EVERYTHING), facts(conflict=1)).outcome is Outcome.EVERYTHING


def test_a_study_whose_corrections_are_unknown_is_held_back_wherever_it_would_go() -> None:
    for grant, referred in product(Grant, (False, True)):
        free = decide(Policy(grant=grant), facts(referred=referred))
        doubted = decide(Policy(grant=grant), facts(referred=referred, known=False))
        held = free.outcome is not Outcome.NOTHING
        assert doubted.outcome is (Outcome.BLOCKED if held else Outcome.NOTHING)
        assert ("not all of its corrections are known" in doubted.reason) is held


def test_a_policy_is_referred_until_somebody_sets_another(post: Correspondence) -> None:
    node = post.alpha
    assert policy_of(node.database, CENTRE) == Policy()
    assert may_refer(node.database, CENTRE)
    change_policy(node, CENTRE, grant="everything", modalities=["MR", " CT ", "CT", ""], by="id-7")
    changed = policy_of(node.database, CENTRE)
    assert changed == Policy(grant=Grant.EVERYTHING, modalities=("CT", "MR"), version=1)
    change_policy(node, CENTRE, grant="nothing", by="id-7")
    assert not may_refer(node.database, CENTRE)
    (first, second) = node.journal.of("policy/centre")
    assert (first.type, second.version) == ("policy-changed/1", 2)


def test_an_unknown_grant_is_refused(post: Correspondence) -> None:
    with pytest.raises(InvalidRequest, match="choose one of"):
        change_policy(post.alpha, CENTRE, grant="all", by="id-7")


def test_a_study_that_never_came_up_has_no_decision(post: Correspondence) -> None:
    key = StudyKey(origin=post.alpha.id, study_uid=StudyUID("1.2"))
    assert decision_of(post.alpha.database, CENTRE, key) is None
