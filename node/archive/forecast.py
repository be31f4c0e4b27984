"""How large each tier will be, day by day, and when the online tier meets its limits. Pure.

Studies that are here follow their rules; what came lately goes on coming, at the same rate by each
rule. Expiry before its time, recalls, reads to come and deletion are left out: it says what
would come without them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from node.archive.facts import StudyFacts, Tier
from node.archive.lifecycle import archives_at
from node.archive.periods import DAY, months_after
from node.archive.pressure import begins_above
from node.archive.rules import Rules
from node.archive.trial import leaves_at
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
    arriving_bytes: int
    """A day."""
    pressure_at: Micros | None
    reserve_at: Micros | None
    limit_at: Micros | None


def forecast(facts: Sequence[StudyFacts], rules: Rules, *, now: Micros, days: int) -> Forecast:
    """Say what comes."""
    share = _packaged_share(facts)
    online, archive = _present(facts, rules, now=now, share=share)
    arriving: Counter[int] = Counter()
    for one in facts:
        if now - RECENT_DAYS * DAY < one.first_at <= now and not one.backfilled:
            arriving[rules.rule_for(one).expire_after_months] += one.bytes
    for months, size in arriving.items():
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
        arriving_bytes=sum(arriving.values()) // RECENT_DAYS,
        pressure_at=_first_above(ahead, begins_above(limits)),
        reserve_at=_first_above(ahead, limits.online_bytes - limits.reserve_bytes),
        limit_at=_first_above(ahead, limits.online_bytes),
    )


def _present(
    facts: Sequence[StudyFacts], rules: Rules, *, now: Micros, share: float
) -> tuple[Counter[int], Counter[int]]:
    """Give what the studies that are here add to each tier by day; day 0 is now."""
    online: Counter[int] = Counter()
    archive: Counter[int] = Counter()
    for one in facts:
        if one.tier is not Tier.ONLINE:
            archive[0] += one.package_bytes
        if one.tier is Tier.ARCHIVED:
            continue
        online[0] += one.bytes
        if not one.covered:
            if one.rejected:
                continue  # stays where it is
            archived = 1 if one.tier is Tier.BOTH else _days_until(archives_at(one, rules.rule_for(one)), now)
            archive[archived] += round(share * one.bytes) - one.package_bytes
        leaves = leaves_at(one, rules, now=now)
        if leaves is not None:
            online[_days_until(leaves, now)] -= one.bytes
    return online, archive


def _packaged_share(facts: Sequence[StudyFacts]) -> float:
    sizes = [(one.package_bytes, one.bytes) for one in facts if one.covered and one.package_bytes]
    whole = sum(size for _, size in sizes)
    return sum(size for size, _ in sizes) / whole if whole else PACKAGED_SHARE


def _days_until(at: Micros, now: Micros) -> int:
    return max(1, -((now - at) // DAY))


def _first_above(days: Sequence[Day], limit: int) -> Micros | None:
    return next((day.at for day in days if day.online_bytes > limit > 0), None)
