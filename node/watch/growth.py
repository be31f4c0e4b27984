"""How fast something grows, from what was measured of it each day, and when its room is used up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.archive.lifecycle.periods import DAY
from node.clock import Micros

LEAST: Micros = 20 * DAY // 24
"""Two looks closer than this say nothing of a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How large it was when it was looked at."""

    at: Micros
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """From the first look within a time to the last; negative where it shrank."""

    daily_bytes: int
    since: Micros
    until: Micros


def growth(looks: Sequence[Look], *, days: int, now: Micros) -> Growth | None:
    """Say how much came a day; None before two days were seen.

    Parameters
    ----------
    looks
        In their order. What is older than ``days`` is left out, so growth is that of lately.
    """
    within = [look for look in looks if now - days * DAY <= look.at <= now]
    if not within or within[-1].at - within[0].at < LEAST:
        return None
    first, last = within[0], within[-1]
    daily = (last.bytes - first.bytes) * DAY // (last.at - first.at)
    return Growth(daily_bytes=daily, since=first.at, until=last.at)


def used_up_at(room_bytes: int | None, grown: Growth | None, *, now: Micros) -> Micros | None:
    """Say when there is no room left at this rate; None when that is not known, or it does not grow."""
    if room_bytes is None or grown is None or grown.daily_bytes <= 0:
        return None
    return now + max(0, room_bytes) * DAY // grown.daily_bytes
