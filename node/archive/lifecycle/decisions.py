"""What may be decided about a study's copies, and the reason of each: a closed set.

A reason is a short code that stays the same, the figures it rests on and the rule; pages say it in words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from node.archive.lifecycle.facts import Hold
from node.clock import Micros


class Why(StrEnum):
    """Codes of reasons, with the figures that come with them. Times in microseconds UTC."""

    COMPLETE = "complete"
    """Archive: quiet since ``last_at`` for ``hours``."""
    BACKFILLED = "backfilled"
    """Archive: an old study that was brought in; ``last_at``."""
    GREW = "grew"
    """Archive anew: instances came after the last package; ``last_at``, ``instances``."""
    COPIES = "copies"
    """Archive: ``verified`` stores of ``wanted`` hold a verified copy."""
    DUE = "due"
    """Expire: ``last_used``, and ``due_at`` has passed."""
    PRESSURE = "pressure"
    """Expire before ``due_at``, since ``to_free`` bytes are wanted; ``last_used``."""
    RECEIVING = "receiving"
    """Keep: instances may still come; ``last_at``."""
    REJECTED = "rejected"
    """Keep: a rejected study is not archived."""
    QUIET = "quiet"
    """Keep online: it may still grow until ``archive_at``; ``last_at``."""
    YOUNG = "young"
    """Keep online until ``due_at``; ``last_used``."""
    RECENT = "recent"
    """Keep online whatever the pressure: used within ``hours``; ``last_used``."""
    HELD = "held"
    """Keep: ``hold`` and ``holds`` in all; without ``due_at`` it is past its retention."""
    UNCOVERED = "uncovered"
    """Keep, and look into it: archived, yet no package covers it."""
    UNVERIFIED = "unverified"
    """Keep, and look into it: archived, yet no store holds a verified copy."""
    RETAINED = "retained"
    """Keep in the archive until ``over_at``: ``years``."""
    LEGAL_HOLD = "legal-hold"
    """Keep for good."""
    OVER = "over"
    """May be deleted since ``over_at``: ``years``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why; ``rule`` names the rule that counted, ``hold`` the one that lasts longest."""

    code: Why
    rule: str
    figures: dict[str, int] = field(default_factory=dict)
    hold: Hold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """See to a package of all instances, verified in this many stores; what is there already stays."""

    reason: Reason
    profile: Literal["small", "fast"]
    copies: int
    next_at: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """Let the online copy go. The batch that does it still carries the guard against holds."""

    reason: Reason
    bytes: int
    next_at: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Leave all as it is; ``next_at`` None: until something is known that was not."""

    reason: Reason
    next_at: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MayBeDeleted:
    """Past its retention. Nothing is deleted for that alone: `retention.permits`."""

    reason: Reason
    since: Micros
    by_rule: bool
    next_at: Micros | None = None


Decision = Archive | Expire | Keep | MayBeDeleted


def until_lapsed(holds: tuple[Hold, ...]) -> Micros | None:
    """Give when the last of some holds lapses; None when one has no end."""
    ends = [hold.until for hold in holds if hold.until is not None]
    return max(ends) if len(ends) == len(holds) else None


def longest(holds: tuple[Hold, ...]) -> Hold:
    """Give the hold that lasts longest."""
    return max(holds, key=lambda hold: (hold.until is None, hold.until or 0))
