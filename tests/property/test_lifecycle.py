"""Whatever the facts, the rules and the time: one decision with a reason, and nothing goes that must stay."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from node.archive.lifecycle.decider import decide
from node.archive.lifecycle.decisions import Archive, Decision, Expire, Keep, MayBeDeleted, Why
from node.archive.lifecycle.facts import Care, Hold, Kind, State, StudyFacts, Tier
from node.archive.lifecycle.forecast import forecast
from node.archive.lifecycle.periods import DAY, HOUR, months_after
from node.archive.lifecycle.pressure import relieve
from node.archive.lifecycle.rules import (
    DEFAULT,
    Limits,
    Rule,
    Rules,
    check_rules,
    decode_rules,
    encode_rules,
    fits,
)
from node.archive.lifecycle.trial import try_rules
from node.names import NodeId, StudyUID
from tests.kit.copies import NOW
from tests.kit.planting import planted

LONG = bool(os.environ.get("MERIDIAN_LONG"))
MODALITIES, DEPARTMENTS = ("CT", "MR", "DX", "SR"), ("radiology", "neurology", "")
thorough = settings(max_examples=20_000 if LONG else 300, deadline=None)


def mostly(*usual: Any, seldom: Any) -> st.SearchStrategy[Any]:
    """Draw what lets a study go on, else hardly any would come to its end."""
    return st.sampled_from((*usual * 6, *seldom))


lately = st.integers(NOW - 400 * DAY, NOW)
whenever = st.integers(NOW - 20_000 * DAY, NOW + 4000 * DAY)
times = st.one_of(lately, lately, whenever)
moments = st.one_of(lately, st.integers(NOW, NOW + 20_000 * DAY), whenever)
holds = st.builds(
    Hold,
    reason=st.sampled_from(("teaching", "consult", "peer")),
    who=st.just("person/1"),
    until=st.none() | moments,
    kind=st.sampled_from(Kind),
)
studies = st.builds(
    StudyFacts,
    origin=st.just(NodeId("alpha")),
    study_uid=st.integers(1, 10**6).map(lambda n: StudyUID(f"2.25.{n}")),
    modalities=st.lists(st.sampled_from(MODALITIES), max_size=2).map(tuple),
    department=st.sampled_from(DEPARTMENTS),
    study_date=st.sampled_from(("", "20260601", "20240615", "20100229", "2010.02.28", "99991231", "soon")),
    bytes=st.integers(0, 10**10),
    instances=st.integers(0, 5000),
    state=mostly(State.COMPLETE, seldom=(State.RECEIVING,)),
    first_at=times,
    last_at=times,
    read_at=st.none() | times,
    reported_at=st.none() | times,
    brought_at=st.none() | times,
    tier=mostly(Tier.BOTH, Tier.ARCHIVED, seldom=(Tier.ONLINE,)),
    packaged=mostly(True, seldom=(False,)),
    package_bytes=st.integers(0, 10**9),
    verified_copies=mostly(2, 3, seldom=(0, 1, 1)),
    holds=st.lists(holds, max_size=2).map(tuple),
    backfilled=st.booleans(),
    rejected=mostly(False, seldom=(True,)),
    care=st.sampled_from(Care),
    visited_at=st.none() | times,
)


@st.composite
def rule_lists(draw: st.DrawFn) -> Rules:
    """Draw rules that can be followed; only the last may fit all."""
    listed = []
    for number in range(draw(st.integers(0, 4))):
        narrowed = draw(
            st.fixed_dictionaries(
                {"modalities": st.sets(st.sampled_from(MODALITIES), min_size=1, max_size=2).map(tuple)},
                optional={
                    "departments": st.sets(st.sampled_from(DEPARTMENTS), max_size=2).map(tuple),
                    "older_than_months": st.integers(0, 60),
                    "at_least_bytes": st.integers(0, 10**9),
                },
            )
        )
        listed.append(Rule(name=f"{number}", **narrowed, **draw(treatments)))
    if draw(st.booleans()):
        listed.append(Rule(name="rest", **draw(treatments)))
    limits = Limits(online_bytes=10**12, floor_hours=draw(st.integers(1, 100)))
    return check_rules(Rules(rules=tuple(listed), limits=limits, version=draw(st.integers(0, 9))))


treatments: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "archive_after_hours": st.integers(0, 100),
        "expire_after_months": st.integers(1, 30),
        "copies": st.integers(1, 3),
        "profile": st.sampled_from(("small", "fast")),
        "retention": st.sampled_from(("by care", "legal hold", "15y", "40y")),
        "deletes": st.booleans(),
    }
)


def online_holds(facts: StudyFacts, now: int) -> list[Hold]:
    return [one for one in facts.holds if one.kind is Kind.ONLINE and (one.until is None or one.until > now)]


def wrongly_gone(facts: StudyFacts, rules: Rules, now: int, *, at_least: int) -> list[str]:
    """Say by plain words of the design why an online copy should not have gone."""
    rule = next((one for one in rules.rules if fits(one, facts)), DEFAULT)
    uses = [facts.last_at, *(use for use in (facts.read_at, facts.reported_at) if use is not None)]
    return [
        words
        for words, wrong in {
            "held": online_holds(facts, now) != [],
            "copies": facts.verified_copies < rule.copies,
            "uncovered": not facts.packaged or facts.tier is not Tier.BOTH,
            "receiving": facts.state is State.RECEIVING,
            "young": any(now < months_after(use, rule.expire_after_months * at_least) for use in uses),
            "brought": facts.brought_at is not None and now < facts.brought_at + 7 * DAY * at_least,
            "floor": any(
                now - use < rules.limits.floor_hours * HOUR
                for use in (*uses, facts.brought_at or facts.last_at)
            ),
        }.items()
        if wrong
    ]


@thorough
@given(facts=studies, rules=rule_lists(), now=moments)
def test_every_study_has_one_decision_with_a_reason(facts: StudyFacts, rules: Rules, now: int) -> None:
    decision = decide(facts, rules, now=now)
    assert isinstance(decision, Archive | Expire | Keep | MayBeDeleted)
    assert decision == decide(facts, rules, now=now)
    assert decision.reason.code in Why
    assert decision.reason.rule in {DEFAULT.name, *(rule.name for rule in rules.rules)}
    assert (decision.reason.code is Why.HELD) == (decision.reason.hold is not None)
    assert all(isinstance(figure, int) for figure in decision.reason.figures.values())
    if isinstance(decision, Keep):
        assert decision.next_at is None or decision.next_at > now, "or it would be looked at for ever"
    else:
        assert decision.next_at is None
    msgspec.json.encode(decision)


@thorough
@given(facts=studies, rules=rule_lists(), now=moments)
def test_nothing_goes_that_is_held_uncovered_unverified_or_young(
    facts: StudyFacts, rules: Rules, now: int
) -> None:
    if isinstance(decide(facts, rules, now=now), Expire):
        assert wrongly_gone(facts, rules, now, at_least=1) == []


@thorough
@given(
    candidates=st.lists(studies, max_size=8), rules=rule_lists(), now=moments, wanted=st.integers(0, 10**11)
)
def test_pressure_takes_nothing_that_must_stay_and_no_more_than_wanted(
    candidates: list[StudyFacts], rules: Rules, now: int, wanted: int
) -> None:
    relief = relieve(candidates, rules, now=now, wanted_bytes=wanted)
    gone = [facts for facts, _ in relief.expire]
    for facts in gone:
        assert wrongly_gone(facts, rules, now, at_least=0) == []
    assert relief.freed_bytes == sum(facts.bytes for facts in gone)
    assert relief.short_bytes == max(0, wanted - relief.freed_bytes)
    if gone:
        assert relief.freed_bytes - gone[-1].bytes < wanted
    early = [facts.last_used for facts, decision in relief.expire if decision.reason.code is Why.PRESSURE]
    assert early == sorted(early)
    online = [one for one in candidates if one.tier is not Tier.ARCHIVED]
    if relief.short_bytes:
        assert len(gone) + sum(one.studies for one in relief.barred) == len(online)
        stayed = [one for one in online if one not in gone]
        assert all(wrongly_gone(one, rules, now, at_least=0) or one.bytes == 0 for one in stayed)
    for facts, decision in relief.expire:
        assert (decision.reason.code is Why.DUE) == isinstance(decide(facts, rules, now=now), Expire)


@thorough
@given(facts=studies, rules=rule_lists(), now=moments, later=st.integers(0, 20_000 * DAY))
def test_what_may_go_may_go_later_and_what_may_not_yet_could_not_before(
    facts: StudyFacts, rules: Rules, now: int, later: int
) -> None:
    for kind in (Expire, MayBeDeleted):
        if isinstance(decide(facts, rules, now=now), kind):
            assert isinstance(decide(facts, rules, now=now + later), kind), "only time has passed"
        else:
            assert not isinstance(decide(facts, rules, now=now - later), kind), "the clock was set back"


@thorough
@given(facts=studies, rules=rule_lists(), now=moments)
def test_the_next_look_is_when_the_decision_changes(facts: StudyFacts, rules: Rules, now: int) -> None:
    decision = decide(facts, rules, now=now)
    if isinstance(decision, Keep) and decision.next_at is not None:
        before = decide(facts, rules, now=max(now, decision.next_at - 1))
        assert isinstance(before, Keep)
        assert before.reason.code is decision.reason.code
        assert _said(decide(facts, rules, now=decision.next_at)) != _said(decision)


def _said(decision: Decision) -> tuple[type, Why, object]:
    return type(decision), decision.reason.code, decision.reason.hold


@thorough
@given(facts=studies, rules=rule_lists(), now=moments, more=st.integers(0, 300 * DAY))
def test_use_and_holds_never_hasten(facts: StudyFacts, rules: Rules, now: int, more: int) -> None:
    used = replace(facts, read_at=facts.last_used + more)
    if isinstance(decide(used, rules, now=now), Expire):
        assert isinstance(decide(facts, rules, now=now), Expire)
    brought = replace(facts, brought_at=max(facts.brought_at or 0, now - more))
    if isinstance(decide(brought, rules, now=now), Expire):
        assert isinstance(decide(facts, rules, now=now), Expire)
    held = replace(facts, holds=(*facts.holds, Hold(reason="teaching", who="person/2")))
    assert not isinstance(decide(held, rules, now=now), Expire | MayBeDeleted)


@thorough
@given(facts=studies, rules=rule_lists())
def test_the_first_rule_that_fits_counts_and_time_never_chooses(facts: StudyFacts, rules: Rules) -> None:
    fitting = [rule for rule in rules.rules if fits(rule, facts)]
    chosen = rules.rule_for(facts)
    assert chosen == (fitting[0] if fitting else DEFAULT)
    without = msgspec.structs.replace(
        rules, rules=tuple(rule for rule in rules.rules if rule not in fitting[1:])
    )
    assert without.rule_for(facts) == chosen
    used = replace(facts, read_at=NOW, last_at=NOW, reported_at=NOW, tier=Tier.BOTH, holds=())
    assert rules.rule_for(used) == chosen


@thorough
@given(rules=rule_lists())
def test_rules_come_back_as_they_were_written(rules: Rules) -> None:
    assert decode_rules(encode_rules(rules)) == rules
    assert encode_rules(decode_rules(encode_rules(rules))) == encode_rules(rules)


@thorough
@given(facts=st.lists(studies, max_size=5), old=rule_lists(), new=rule_lists(), now=moments)
def test_a_trial_names_whatever_would_be_decided_otherwise_at_once(
    facts: list[StudyFacts], old: Rules, new: Rules, now: int
) -> None:
    assert try_rules(old, old, facts, now=now).differences == ()
    trial = try_rules(old, new, facts, now=now)
    assert trial.studies == len(facts)
    at_once = sorted(one.key.study_uid for one in trial.differences if one.at_once)
    assert at_once == sorted(
        one.study_uid
        for one in facts
        if isinstance(decide(one, new, now=now), Expire) and not isinstance(decide(one, old, now=now), Expire)
    )


@thorough
@given(facts=st.lists(studies, max_size=6), rules=rule_lists(), now=moments)
def test_a_forecast_never_goes_below_nothing(facts: list[StudyFacts], rules: Rules, now: int) -> None:
    ahead = forecast(facts, rules, now=now, days=40)
    assert len(ahead.days) == 40
    assert all(day.online_bytes >= 0 for day in ahead.days)


def gone_wrongly(drawn: tuple[StudyFacts, Rules, int]) -> bool:
    facts, rules, now = drawn
    return isinstance(decide(facts, rules, now=now), Expire) and bool(
        wrongly_gone(facts, rules, now, at_least=1)
    )


def relieved_wrongly(drawn: tuple[StudyFacts, Rules, int]) -> bool:
    facts, rules, now = drawn
    relief = relieve([facts], rules, now=now, wanted_bytes=10**11)
    return any(wrongly_gone(one, rules, now, at_least=0) for one, _ in relief.expire)


@pytest.mark.parametrize("wrong", [gone_wrongly, relieved_wrongly])
@pytest.mark.parametrize("fault", ["hold-ignored", "expire-before-verify"])
def test_a_planted_fault_of_the_lifecycle_is_caught(
    fault: str, wrong: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly = settings(max_examples=3000, deadline=None, database=None, phases=[Phase.generate])
    planted(monkeypatch, fault)
    facts, given_rules, now = find(st.tuples(studies, rule_lists(), moments), wrong, settings=quickly)
    monkeypatch.undo()
    assert not wrong((facts, given_rules, now))
