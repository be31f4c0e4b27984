"""What changed rules would have done to studies that are here, before they are switched on. Pure.

Moments are compared, whatever has been done already: when each study is archived and when its online
copy may go, by the one and by the other. Pressure, and stores that answer late, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from node.archive.lifecycle.decider import archives_at, decide, expires_at
from node.archive.lifecycle.decisions import Expire, until_lapsed
from node.archive.lifecycle.facts import Kind, State, StudyFacts, Tier
from node.archive.lifecycle.retention import retained_until, years_of
from node.archive.lifecycle.rules import Rules
from node.clock import Micros
from node.names import StudyKey


class Effect(StrEnum):
    """What a change does to a moment."""

    SAME = "same"
    EARLIER = "earlier"
    LATER = "later"
    NEWLY = "newly"
    """It would have come by now, and has not."""
    NO_LONGER = "no-longer"
    """It has come by now, and would not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What rules mean for a study; a moment that is None does not come by waiting."""

    rule: str
    archive_at: Micros | None
    expire_at: Micros | None
    retained_until: Micros | None
    copies: int
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A study whose course is another one; ``at_once``: its online copy goes when the rules are switched on."""

    key: StudyKey
    bytes: int
    before: Course
    after: Course
    archive: Effect
    expire: Effect
    at_once: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Every difference among so many studies."""

    studies: int
    differences: tuple[Difference, ...]

    def archived(self, effect: Effect) -> int:
        """Count the studies that are archived so."""
        return sum(one.archive is effect for one in self.differences)

    def expired(self, effect: Effect) -> int:
        """Count the studies whose online copy goes so."""
        return sum(one.expire is effect for one in self.differences)

    @property
    def at_once_bytes(self) -> int:
        """How much leaves the online tier when the rules are switched on."""
        return sum(one.bytes for one in self.differences if one.at_once)


def try_rules(old: Rules, new: Rules, facts: Iterable[StudyFacts], *, now: Micros) -> Trial:
    """Say for each study what would have been otherwise, and what would happen at once."""
    studies, differences = 0, []
    for one in facts:
        studies += 1
        before, after = course(one, old, now=now), course(one, new, now=now)
        goes = isinstance(decide(one, new, now=now), Expire)
        at_once = goes and not isinstance(decide(one, old, now=now), Expire)
        if replace(before, rule=after.rule) == after and not at_once:
            continue  # another rule that says the same
        differences.append(
            Difference(
                key=one.key,
                bytes=one.bytes,
                before=before,
                after=after,
                archive=_effect(before.archive_at, after.archive_at, now=now),
                expire=_effect(before.expire_at, after.expire_at, now=now),
                at_once=at_once,
            )
        )
    return Trial(studies=studies, differences=tuple(differences))


def course(facts: StudyFacts, rules: Rules, *, now: Micros) -> Course:
    """Say when what happens to a study by these rules, as though nothing had been done yet."""
    rule = rules.rule_for(facts)
    years = years_of(facts, rule, limits=rules.limits)
    archive_at = None
    if facts.state is State.COMPLETE and not facts.rejected:
        archive_at = archives_at(replace(facts, tier=Tier.ONLINE), rule)
    return Course(
        rule=rule.name,
        archive_at=archive_at,
        expire_at=None if archive_at is None else leaves_at(facts, rules, now=now),
        retained_until=None if years is None else retained_until(facts, years),
        copies=rule.copies,
        profile=rule.profile,
    )


def leaves_at(facts: StudyFacts, rules: Rules, *, now: Micros) -> Micros | None:
    """Give when a study's time is over and nobody holds its online copy; None while a hold has no end."""
    due_at = expires_at(facts, rules.rule_for(facts), limits=rules.limits)
    holds = tuple(hold for hold in facts.in_force(now) if hold.kind is Kind.ONLINE)
    if not holds:
        return due_at
    lapse = until_lapsed(holds)
    return None if lapse is None else max(due_at, lapse)


def _effect(before: Micros | None, after: Micros | None, *, now: Micros) -> Effect:
    if before is None or after is None or before == after:
        return Effect.SAME  # whether a moment comes at all is not the rules' to say
    if after <= now < before:
        return Effect.NEWLY
    if before <= now < after:
        return Effect.NO_LONGER
    return Effect.EARLIER if after < before else Effect.LATER
