"""Which online copies go before their time when the online tier fills, and which do not whatever happens. Pure.

First those whose time is over, then the least recently used. Never one that is held online, that was
used within the floor, or that is not in a package verified in as many stores as wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from node.archive.lifecycle.decider import expires_at, held_online, to_archive
from node.archive.lifecycle.decisions import Expire, Reason, Why
from node.archive.lifecycle.facts import StudyFacts, Tier
from node.archive.lifecycle.periods import HOUR
from node.archive.lifecycle.rules import Limits, Rules
from node.clock import Micros
from node.failpoints import planted


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Online copies that could not go, and the reason they share."""

    why: Why
    studies: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """What goes, in this order; ``short_bytes`` is what stays missing though all has gone that may."""

    expire: tuple[tuple[StudyFacts, Expire], ...]
    freed_bytes: int
    short_bytes: int
    barred: tuple[Barred, ...]


def to_free(limits: Limits, online_bytes: int) -> int:
    """Give how many bytes must go before their time; 0 while there is room."""
    if not limits.online_bytes or online_bytes <= begins_above(limits):
        return 0
    return online_bytes - _share(limits, limits.relieved_percent)


def to_free_on_disk(limits: Limits, free_bytes: int, *, reserve_bytes: int, going_bytes: int) -> int:
    """Give how many bytes must go since the disk itself is short, whoever filled it; 0 while there is room.

    Parameters
    ----------
    reserve_bytes
        Below which the disk takes no instance; making room begins at twice that, or at the limits' reserve.
    going_bytes
        Of packs that no row means, which go in minutes.
    """
    return max(0, max(limits.reserve_bytes, 2 * reserve_bytes) - free_bytes - going_bytes)


def begins_above(limits: Limits) -> int:
    """Give the size of the online tier above which copies go before their time; 0 without a limit."""
    return _share(limits, limits.pressure_percent)


def relieve(candidates: Iterable[StudyFacts], rules: Rules, *, now: Micros, wanted_bytes: int) -> Relief:
    """Choose among online studies.

    Parameters
    ----------
    candidates
        All of them, or the least recently used; then, when ``short_bytes`` remain, more.
    """
    going: list[tuple[bool, Micros, StudyFacts, Expire]] = []
    barred: dict[Why, tuple[int, int]] = {}
    for facts in candidates:
        if facts.tier is Tier.ARCHIVED:
            continue
        decision = _may_go(facts, rules, now=now, wanted=wanted_bytes)
        if isinstance(decision, Expire):
            going.append((decision.reason.code is not Why.DUE, facts.last_used, facts, decision))
        else:
            studies, held = barred.get(decision, (0, 0))
            barred[decision] = (studies + 1, held + facts.bytes)
    going.sort(key=lambda one: (one[0], one[1], one[2].origin, one[2].study_uid))
    chosen, freed = [], 0
    for _, _, facts, decision in going:
        if freed >= wanted_bytes:
            break
        chosen.append((facts, decision))
        freed += facts.bytes
    return Relief(
        expire=tuple(chosen),
        freed_bytes=freed,
        short_bytes=max(0, wanted_bytes - freed),
        barred=tuple(Barred(why=why, studies=n, bytes=size) for why, (n, size) in sorted(barred.items())),
    )


def _may_go(facts: StudyFacts, rules: Rules, *, now: Micros, wanted: int) -> Expire | Why:
    """Say that an online copy may go under pressure, or the code of what bars it."""
    rule = rules.rule_for(facts)
    barred = to_archive(facts, rule, now=now) or held_online(facts, rule, now=now)
    if barred is not None:
        return barred.reason.code
    lately = max(facts.last_used, facts.brought_at or facts.last_used)
    if now < lately + rules.limits.floor_hours * HOUR and not planted("floor-ignored"):
        return Why.RECENT
    due_at = expires_at(facts, rule, limits=rules.limits)
    figures = {"last_used": facts.last_used, "due_at": due_at}
    why = Why.DUE
    if now < due_at:
        why, figures["to_free"] = Why.PRESSURE, wanted
    return Expire(reason=Reason(code=why, rule=rule.name, figures=figures), bytes=facts.bytes)


def _share(limits: Limits, percent: int) -> int:
    """Give a share of the limit that leaves the reserve free."""
    return min(limits.online_bytes * percent // 100, limits.online_bytes - limits.reserve_bytes)
