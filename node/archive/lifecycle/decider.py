"""What becomes of a study's copies: one decision for each study, with its reason. Pure.

Archived when complete and quiet, archived anew when it grew; its online copy goes when its
time is over, every instance is in a package, and that is verified in as many stores as wanted; a hold of the
online copy bars that. Until then it is kept, for a reason that can be shown.

Time counts from the last of arrival, read and report; before that moment a study's age is
zero. So a clock that is set back delays, and never hastens, if the facts were written by `facts.steady`.
What goes before its time is `pressure`'s to choose; what may be deleted, `retention`'s.
"""

from __future__ import annotations

from node.archive.lifecycle.decisions import (
    Archive,
    Decision,
    Expire,
    Keep,
    Reason,
    Why,
    longest,
    until_lapsed,
)
from node.archive.lifecycle.facts import Kind, State, StudyFacts, Tier
from node.archive.lifecycle.periods import DAY, HOUR, months_after
from node.archive.lifecycle.retention import retained
from node.archive.lifecycle.rules import Limits, Rule, Rules
from node.clock import MINUTE, Micros
from node.failpoints import planted

BACKFILLED_QUIET: Micros = 10 * MINUTE
"""An old study that is brought in comes in one go: nobody waits a day for more of it."""

BROUGHT_STAYS: Micros = 7 * DAY
"""What came back for a consult, or for a patient who is expected, and was read by nobody."""


def decide(facts: StudyFacts, rules: Rules, *, now: Micros) -> Decision:
    """Say what becomes of a study's copies, and why."""
    rule = rules.rule_for(facts)
    unfinished = to_archive(facts, rule, now=now)
    if unfinished is not None:
        return unfinished
    if facts.tier is Tier.ARCHIVED:
        return retained(facts, rule, limits=rules.limits, now=now)
    due_at = expires_at(facts, rule, limits=rules.limits)
    figures = {"last_used": facts.last_used, "due_at": due_at}
    if now < due_at:
        return Keep(reason=Reason(code=Why.YOUNG, rule=rule.name, figures=figures), next_at=due_at)
    held = held_online(facts, rule, now=now)
    if held is not None:
        return held
    return Expire(reason=Reason(code=Why.DUE, rule=rule.name, figures=figures), bytes=facts.bytes)


def to_archive(facts: StudyFacts, rule: Rule, *, now: Micros) -> Archive | Keep | None:
    """Say what is missing until a study is archived as its rule wants it, None when nothing is."""
    if facts.state is State.RECEIVING:
        return _keep(Why.RECEIVING, rule, last_at=facts.last_at)
    if facts.covered and enough_copies(facts, rule):
        return None
    if facts.rejected:
        return _keep(Why.REJECTED, rule)
    if facts.covered:
        return _copied(facts, rule)
    if facts.tier is Tier.ARCHIVED:
        return _keep(Why.UNCOVERED, rule, instances=facts.instances)
    at = archives_at(facts, rule)
    if now < at:
        reason = Reason(code=Why.QUIET, rule=rule.name, figures={"last_at": facts.last_at, "archive_at": at})
        return Keep(reason=reason, next_at=at)
    return _archive(facts, rule)


def archives_at(facts: StudyFacts, rule: Rule) -> Micros:
    """Give when a complete study has been quiet for long enough; an old one that was brought in, soon."""
    if facts.backfilled and facts.tier is Tier.ONLINE:
        return facts.last_at + min(BACKFILLED_QUIET, rule.archive_after_hours * HOUR)
    return facts.last_at + rule.archive_after_hours * HOUR


def expires_at(facts: StudyFacts, rule: Rule, *, limits: Limits) -> Micros:
    """Give when an online copy has had its time."""
    used, floor = facts.last_used, limits.floor_hours * HOUR
    due_at = max(months_after(used, rule.expire_after_months), used + floor)
    return due_at if facts.brought_at is None else max(due_at, facts.brought_at + max(BROUGHT_STAYS, floor))


def enough_copies(facts: StudyFacts, rule: Rule) -> bool:
    """Say whether a package that covers a study is verified in as many stores as wanted."""
    return facts.verified_copies >= rule.copies or planted("expire-before-verify")


def held_online(facts: StudyFacts, rule: Rule, *, now: Micros) -> Keep | None:
    """Say who needs the online copy; a hold of any verified copy is content without it."""
    holds = tuple(hold for hold in facts.in_force(now) if hold.kind is Kind.ONLINE)
    if not holds or planted("hold-ignored"):
        return None
    figures = {"holds": len(holds), "last_used": facts.last_used}
    reason = Reason(code=Why.HELD, rule=rule.name, figures=figures, hold=longest(holds))
    return Keep(reason=reason, next_at=until_lapsed(holds))


def _archive(facts: StudyFacts, rule: Rule) -> Archive:
    figures = {"last_at": facts.last_at}
    if facts.tier is Tier.BOTH:
        why, figures["instances"] = Why.GREW, facts.instances
    elif facts.backfilled:
        why = Why.BACKFILLED
    else:
        why, figures["hours"] = Why.COMPLETE, rule.archive_after_hours
    reason = Reason(code=why, rule=rule.name, figures=figures)
    return Archive(reason=reason, profile=rule.profile, copies=rule.copies)


def _copied(facts: StudyFacts, rule: Rule) -> Archive | Keep:
    """Ask for the copies that are missing, if there is anything to copy from."""
    if facts.tier is Tier.ARCHIVED and facts.verified_copies == 0:
        return _keep(Why.UNVERIFIED, rule, wanted=rule.copies)
    figures = {"verified": facts.verified_copies, "wanted": rule.copies}
    reason = Reason(code=Why.COPIES, rule=rule.name, figures=figures)
    return Archive(reason=reason, profile=rule.profile, copies=rule.copies)


def _keep(why: Why, rule: Rule, **figures: int) -> Keep:
    return Keep(reason=Reason(code=why, rule=rule.name, figures=figures))
