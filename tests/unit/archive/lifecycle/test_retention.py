"""The clock alone deletes nothing."""

from __future__ import annotations

from typing import Any

from node.archive.lifecycle.decider import decide
from node.archive.lifecycle.decisions import Keep, MayBeDeleted, Why
from node.archive.lifecycle.facts import Care, Kind, StudyFacts, Tier
from node.archive.lifecycle.periods import DAY, months_after
from node.archive.lifecycle.retention import permits
from node.archive.lifecycle.rules import Rule, Rules
from tests.kit.copies import NOW, held, rules, used

AGES = 12_000 * DAY


def kept(ago: int = AGES, **changes: Any) -> StudyFacts:
    return used(ago, **{"tier": Tier.ARCHIVED, **changes})


def decided(facts: StudyFacts, *listed: Rule, now: int = NOW) -> Keep | MayBeDeleted:
    decision = decide(facts, rules(*listed), now=now)
    assert isinstance(decision, Keep | MayBeDeleted)
    return decision


def test_an_archived_study_is_kept_for_15_years_of_an_outpatient_and_30_otherwise() -> None:
    for care, years in ((Care.OUTPATIENT, 15), (Care.INPATIENT, 30), (Care.UNKNOWN, 30)):
        facts = kept(DAY, care=care)
        decision = decided(facts)
        over_at = months_after(facts.last_at, 12 * years) + DAY
        assert decision == Keep(reason=decision.reason, next_at=over_at)
        assert decision.reason.code is Why.RETAINED
        assert decision.reason.figures == {"over_at": over_at, "years": years}
        after = decided(facts, now=over_at)
        assert isinstance(after, MayBeDeleted)
        assert after.since == over_at
        assert isinstance(decided(facts, now=over_at - 1), Keep)


def test_a_rule_s_years_go_before_those_of_the_node() -> None:
    facts = kept(6000 * DAY, care=Care.OUTPATIENT)
    assert isinstance(decided(facts), MayBeDeleted)
    assert isinstance(decided(facts, Rule(name="long", retention="50y")), Keep)


def test_the_patient_s_last_visit_counts() -> None:
    assert isinstance(decided(kept()), MayBeDeleted)
    assert decided(kept(visited_at=NOW - DAY)).reason.code is Why.RETAINED


def test_a_legal_hold_beats_all() -> None:
    for facts, listed in (
        (kept(care=Care.LEGAL_HOLD), (Rule(name="short", retention="15y", deletes=True),)),
        (kept(), (Rule(name="court", retention="legal hold", deletes=True),)),
    ):
        assert decided(facts, *listed) == Keep(reason=decided(facts, *listed).reason, next_at=None)
        assert decided(facts, *listed).reason.code is Why.LEGAL_HOLD


def test_any_hold_bars_deletion() -> None:
    for kind in Kind:
        decision = decided(kept(holds=(held(kind=kind, until=NOW + DAY),)))
        assert decision.reason.code is Why.HELD
        assert decision.next_at == NOW + DAY
    assert isinstance(decided(kept(holds=(held(until=NOW),))), MayBeDeleted)


def test_an_online_copy_expires_before_a_study_may_be_deleted() -> None:
    assert decide(used(AGES), Rules(), now=NOW).reason.code is Why.DUE


def test_a_clock_set_back_deletes_nothing() -> None:
    assert isinstance(decided(kept(), now=NOW - 366 * DAY - AGES), Keep)


def test_a_rule_or_two_administrators_delete_and_nobody_else() -> None:
    asked = decided(kept())
    assert isinstance(asked, MayBeDeleted)
    assert not permits(asked, approved_by=())
    assert not permits(asked, approved_by=("person/1", "person/1"))
    assert permits(asked, approved_by=("person/1", "person/2"))
    by_rule = decided(kept(), Rule(name="tidy", deletes=True))
    assert isinstance(by_rule, MayBeDeleted)
    assert permits(by_rule, approved_by=())
