"""How large each tier will be, day by day, and when the online tier meets its limits. Pure.

Studies that are here follow their rules; what came lately goes on coming, at the same rate by each
rule. Expiry before its time, recalls, reads to come and deletion are left out: it says what
would come without them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from node.archive.lifecycle.decider import archives_at
from node.archive.lifecycle.facts import StudyFacts, Tier
from node.archive.lifecycle.periods import DAY, months_after
from node.archive.lifecycle.pressure import begins_above
from node.archive.lifecycle.rules import Rules
from node.archive.lifecycle.trial import leaves_at
from node.clock import Micros

RECENT_DAYS = 28
"""Whole weeks: few studies come on a Sunday."""
PACKAGED_SHARE = 0.4
"""A package's size in its study's, while none is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What lies in the tiers at the end of a day; in the archive one copy of each package."""

    at: Micros
    online_bytes: int
    archive_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The days ahead, and the first on which the online tier is larger than it should be; None: on none of these."""

    days: tuple[Day, ...]
    studies: int
    """That it rests on."""
    arriving_bytes: int
    """A day."""
    pressure_at: Micros | None
    reserve_at: Micros | None
    limit_at: Micros | None


def forecast(facts: Iterable[StudyFacts], rules: Rules, *, now: Micros, days: int) -> Forecast:
    """Say what comes; the studies are looked at once, so that a million of them need not be kept."""
    seen = _Seen()
    for one in facts:
        _add(seen, one, rules, now=now)
    share = seen.packaged_bytes / seen.whole_bytes if seen.whole_bytes else PACKAGED_SHARE
    online, archive = seen.online, seen.archive
    for day, size in seen.unpacked.items():
        archive[day] += round(share * size)
    for months, size in seen.arriving.items():
        for day in range(1, days + 1):
            online[day] += size // RECENT_DAYS
            online[_days_until(months_after(now + day * DAY, months), now)] -= size // RECENT_DAYS
            archive[day + 1] += round(share * size / RECENT_DAYS)
    ahead, in_online, in_archive = [], online[0], archive[0]
    for day in range(1, days + 1):
        in_online, in_archive = in_online + online[day], in_archive + archive[day]
        ahead.append(Day(at=now + day * DAY, online_bytes=in_online, archive_bytes=in_archive))
    limits = rules.limits
    return Forecast(
        days=tuple(ahead),
        studies=seen.studies,
        arriving_bytes=sum(seen.arriving.values()) // RECENT_DAYS,
        pressure_at=first_above(ahead, begins_above(limits)),
        reserve_at=first_above(ahead, limits.online_bytes - limits.reserve_bytes),
        limit_at=first_above(ahead, limits.online_bytes),
    )


def first_above(days: Iterable[Day], limit: int) -> Micros | None:
    """Give the first day on which the online tier is larger than a limit; 0 is none."""
    return next((day.at for day in days if day.online_bytes > limit > 0), None)


@dataclass(slots=True)
class _Seen:
    """What the studies add to each tier by day; day 0 is now."""

    online: Counter[int] = field(default_factory=Counter)
    archive: Counter[int] = field(default_factory=Counter)
    unpacked: Counter[int] = field(default_factory=Counter)
    """Original bytes that will be packed, by day."""
    arriving: Counter[int] = field(default_factory=Counter)
    """What came lately, by how many months it stays online."""
    studies: int = 0
    packaged_bytes: int = 0
    whole_bytes: int = 0
    """What the packages' studies take, packed and as received."""


def _add(seen: _Seen, one: StudyFacts, rules: Rules, *, now: Micros) -> None:
    seen.studies += 1
    if now - RECENT_DAYS * DAY < one.first_at <= now and not one.backfilled:
        seen.arriving[rules.rule_for(one).expire_after_months] += one.bytes
    if one.covered and one.package_bytes:
        seen.packaged_bytes += one.package_bytes
        seen.whole_bytes += one.bytes
    if one.tier is not Tier.ONLINE:
        seen.archive[0] += one.package_bytes
    if one.tier is Tier.ARCHIVED:
        return
    seen.online[0] += one.bytes
    if not one.covered:
        if one.rejected:
            return  # stays where it is
        day = 1 if one.tier is Tier.BOTH else _days_until(archives_at(one, rules.rule_for(one)), now)
        seen.unpacked[day] += one.bytes
        seen.archive[day] -= one.package_bytes
    leaves = leaves_at(one, rules, now=now)
    if leaves is not None:
        seen.online[_days_until(leaves, now)] -= one.bytes


def _days_until(at: Micros, now: Micros) -> int:
    return max(1, -((now - at) // DAY))
