"""What becomes of a study's copies, a sentence each; the time stands still."""

from __future__ import annotations

import typing

import msgspec
import pytest

from node.archive.lifecycle.decider import decide
from node.archive.lifecycle.decisions import Archive, Decision, Expire, Keep, Why
from node.archive.lifecycle.facts import (
    CopyState,
    Kind,
    State,
    StoredCopy,
    StudyFacts,
    Tier,
    steady,
    verified_copies,
)
from node.archive.lifecycle.periods import DAY, HOUR, months_after
from node.archive.lifecycle.rules import Rule, Rules
from node.archive.package.rule import Profile
from tests.kit.copies import NOW, archived, held, rules, study, used
from tests.kit.planting import planted

RULES = Rules()
YEAR = 366 * DAY


def decided(facts: StudyFacts, given: Rules = RULES, *, now: int = NOW) -> Decision:
    return decide(facts, given, now=now)


def why(facts: StudyFacts, given: Rules = RULES, *, now: int = NOW) -> Why:
    return decided(facts, given, now=now).reason.code


def test_a_study_that_is_complete_and_quiet_is_archived_as_its_rule_says() -> None:
    fast = Rule(name="CT", modalities=("CT",), profile="fast", copies=3)
    decision = decided(study(), rules(fast))
    assert isinstance(decision, Archive)
    assert (decision.profile, decision.copies) == ("fast", 3)
    assert decision.reason.rule == "CT"
    assert decision.reason.code is Why.COMPLETE
    assert decision.reason.figures == {"last_at": NOW - 10 * DAY, "hours": 24}


def test_profiles_are_those_that_packages_are_made_by() -> None:
    (profile,) = (one for one in msgspec.structs.fields(Rule) if one.name == "profile")
    assert set(typing.get_args(profile.type)) == {one.value for one in Profile}


def test_a_study_is_looked_at_again_when_it_has_been_quiet_for_long_enough() -> None:
    facts = study(last_at=NOW - 5 * HOUR)
    decision = decided(facts)
    assert isinstance(decision, Keep)
    assert decision.reason.code is Why.QUIET
    assert decision.next_at == NOW + 19 * HOUR
    assert isinstance(decided(facts, now=decision.next_at), Archive)
    assert isinstance(decided(facts, now=decision.next_at - 1), Keep)


def test_a_study_that_is_receiving_or_rejected_is_not_archived() -> None:
    assert why(study(state=State.RECEIVING)) is Why.RECEIVING
    assert why(study(rejected=True)) is Why.REJECTED
    assert why(archived(verified_copies=1, rejected=True)) is Why.REJECTED


def test_old_studies_that_were_brought_in_are_archived_soon() -> None:
    assert why(study(backfilled=True, last_at=NOW - HOUR)) is Why.BACKFILLED
    assert why(study(backfilled=True, last_at=NOW)) is Why.QUIET
    assert why(study(backfilled=True, last_at=NOW, state=State.RECEIVING)) is Why.RECEIVING


def test_a_study_that_grew_is_archived_again_when_it_is_quiet_again() -> None:
    grown = archived(packaged=False, verified_copies=0, last_at=NOW - 2 * DAY)
    assert why(grown) is Why.GREW
    assert why(archived(packaged=False, last_at=NOW - HOUR)) is Why.QUIET
    assert why(archived(packaged=False, last_at=NOW - HOUR, backfilled=True)) is Why.QUIET
    assert why(archived(packaged=False, state=State.RECEIVING)) is Why.RECEIVING


def test_copies_that_are_missing_are_asked_for() -> None:
    decision = decided(archived(verified_copies=1))
    assert isinstance(decision, Archive)
    assert decision.reason.code is Why.COPIES
    assert decision.reason.figures == {"verified": 1, "wanted": 2}


def test_a_package_that_the_tier_does_not_know_of_is_made_again() -> None:
    assert isinstance(decided(study(packaged=True, verified_copies=2)), Archive)


def test_an_archived_study_without_a_sound_package_is_kept_and_named() -> None:
    assert why(archived(tier=Tier.ARCHIVED, packaged=False)) is Why.UNCOVERED
    assert why(archived(tier=Tier.ARCHIVED, verified_copies=0)) is Why.UNVERIFIED
    assert why(archived(tier=Tier.ARCHIVED, verified_copies=1)) is Why.COPIES


def test_an_online_copy_goes_six_calendar_months_after_its_last_use() -> None:
    facts = used(30 * DAY)
    kept = decided(facts)
    assert isinstance(kept, Keep)
    assert kept.reason.code is Why.YOUNG
    assert kept.next_at == months_after(NOW - 30 * DAY, 6)
    gone = decided(facts, now=kept.next_at)
    assert gone == Expire(reason=gone.reason, bytes=facts.bytes)
    assert gone.reason.code is Why.DUE
    assert isinstance(decided(facts, now=kept.next_at - 1), Keep)


@pytest.mark.parametrize("use", ["last_at", "read_at", "reported_at"])
def test_arrival_read_and_report_count_alike(use: str) -> None:
    assert why(used(2 * YEAR)) is Why.DUE
    assert why(used(2 * YEAR, **{use: NOW - DAY})) is Why.YOUNG


def test_nothing_goes_that_is_not_in_a_verified_package_of_all_its_instances() -> None:
    assert why(used(2 * YEAR, verified_copies=0)) is Why.COPIES
    assert why(used(2 * YEAR, verified_copies=1)) is Why.COPIES
    assert why(used(2 * YEAR, packaged=False)) is Why.GREW
    assert why(used(2 * YEAR, state=State.RECEIVING)) is Why.RECEIVING


def test_a_hold_of_the_online_copy_keeps_it_and_of_any_copy_does_not() -> None:
    decision = decided(
        used(2 * YEAR, holds=(held(until=NOW + DAY), held(until=NOW + 3 * DAY), held(until=NOW)))
    )
    assert isinstance(decision, Keep)
    assert decision.reason.code is Why.HELD
    assert decision.next_at == NOW + 3 * DAY
    assert decision.reason.figures["holds"] == 2
    assert decision.reason.hold == held(until=NOW + 3 * DAY)
    assert decided(used(2 * YEAR, holds=(held(), held(until=NOW + DAY)))).next_at is None
    assert why(used(2 * YEAR, holds=(held(kind=Kind.COPY),))) is Why.DUE
    assert why(used(2 * YEAR, holds=(held(kind=Kind.COPY),), verified_copies=1)) is Why.COPIES
    assert why(used(2 * YEAR, holds=(held(until=NOW),))) is Why.DUE


def test_a_rejected_study_that_was_archived_before_goes_in_its_time() -> None:
    assert why(used(2 * YEAR, rejected=True)) is Why.DUE


def test_a_clock_set_back_delays_and_never_hastens() -> None:
    for facts in (study(), study(backfilled=True), used(DAY), used(2 * YEAR, holds=(held(until=NOW - DAY),))):
        back = decided(facts, now=NOW - 3 * YEAR)
        assert isinstance(back, Keep)
    assert steady(NOW - YEAR, newest=NOW) == NOW
    assert steady(NOW + 1, newest=NOW) == NOW + 1
    assert steady(NOW - YEAR, newest=NOW, since=DAY) == NOW + DAY
    assert steady(NOW + 2 * DAY, newest=NOW, since=DAY) == NOW + 2 * DAY


def test_a_study_that_came_while_the_clock_was_set_back_is_not_a_year_old_afterwards() -> None:
    told = steady(NOW - YEAR, newest=NOW - DAY)
    facts = archived(first_at=told, last_at=told)
    assert why(facts) is Why.YOUNG


def test_copies_are_counted_by_store() -> None:
    rows = [
        ("cellar", "verified"),
        ("cellar", "verified"),
        ("s3", "written"),
        ("tower", "verified"),
        ("x", "damaged"),
    ]
    found = [StoredCopy(store=store, state=CopyState(state)) for store, state in rows]
    assert verified_copies(found) == 2
    assert verified_copies(found[:3]) == 1
    assert verified_copies([]) == 0


def plant(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    planted(monkeypatch, fault)


def test_a_planted_hold_that_is_ignored_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = used(2 * YEAR, holds=(held(),))
    assert why(facts) is Why.HELD
    plant(monkeypatch, "hold-ignored")
    assert isinstance(decided(facts), Expire)


def test_a_planted_expiry_before_verification_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = used(2 * YEAR, verified_copies=0)
    assert why(facts) is Why.COPIES
    plant(monkeypatch, "expire-before-verify")
    assert isinstance(decided(facts), Expire)


def test_a_planted_count_of_two_copies_in_one_store_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [StoredCopy(store="cellar", state=CopyState.VERIFIED)] * 2
    assert why(used(2 * YEAR, verified_copies=verified_copies(twice))) is Why.COPIES
    plant(monkeypatch, "copies-of-one-store")
    assert isinstance(decided(used(2 * YEAR, verified_copies=verified_copies(twice))), Expire)


def test_what_was_brought_for_nobody_stays_a_week_and_what_she_read_six_months() -> None:
    brought = archived(last_at=NOW - YEAR, brought_at=NOW)
    assert why(brought) is Why.YOUNG
    assert isinstance(decided(brought, now=NOW + 7 * DAY - 1), Keep)
    assert isinstance(decided(brought, now=NOW + 7 * DAY), Expire)
    read = archived(last_at=NOW - YEAR, brought_at=NOW, read_at=NOW + DAY)
    assert isinstance(decided(read, now=NOW + 170 * DAY), Keep)


def test_a_young_study_goes_no_sooner_for_having_been_brought() -> None:
    young = archived(last_at=NOW, brought_at=NOW - 20 * DAY)
    assert isinstance(decided(young, now=NOW + 100 * DAY), Keep)
