"""Which alarms a node raises about its own room and its backups, and when each is settled. Pure.

An alarm that stands is settled at another figure than it was raised at, so that one that moves about a limit is said
once: `RAISED_WITHIN` against `SETTLED_BEYOND`, the reserve against a quarter more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from node.archive.lifecycle.periods import DAY
from node.clock import Micros
from node.failpoints import planted

RAISED_WITHIN: Micros = 14 * DAY
SETTLED_BEYOND: Micros = 21 * DAY
SETTLED_PERCENT = 125
"""Of the reserve."""


class AlarmKind(StrEnum):
    """What may be said; also the kinds of problems that show it."""

    ONLINE_TIER_FILLING = "online-tier-filling"
    """``full_at``, ``bytes``."""
    STORE_FILLING = "store-filling"
    """``full_at`` where its growth is known, ``room``, ``reserve``."""
    DISK_RESERVE = "disk-reserve"
    """``room``, ``reserve``."""
    BACKUP_OVERDUE = "backup-overdue"
    """``days`` as the rule has it; ``last_at`` unless there was none."""
    DRILL_OVERDUE = "drill-overdue"
    """The same, of trying one out."""
    DRILL_DIFFERS = "drill-differs"
    """``differences``, ``last_at``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that a person has to see to."""

    kind: AlarmKind
    subject: str
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> tuple[str, str]:
        """What it is told apart by."""
        return self.kind, self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A place that fills: its free bytes, and when none are left at the rate of lately; None where not known."""

    name: str
    room_bytes: int | None
    full_at: Micros | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """How long something that is done again and again may rest.

    Parameters
    ----------
    days
        As the configuration has it; 0: for ever.
    since
        When the node was first watched: before that nobody could have done it.
    """

    days: int
    last_at: Micros | None
    since: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """All that alarms rest on."""

    node: str
    online_bytes: int
    online_full_at: Micros | None
    """By the forecast: the first day on which the tier is larger than its room without the reserve."""
    disk_room_bytes: int
    reserve_bytes: int
    stores: tuple[Filled, ...]
    backup: Rest
    drill: Rest
    drill_differences: int


def alarms(watched: Watched, standing: Collection[tuple[str, str]], *, now: Micros) -> list[Alarm]:
    """Say which alarms stand now, given those that stood before."""
    found = [
        *_tier(watched, standing, now=now),
        *_disk(watched, standing),
        *_stores(watched, standing, now=now),
    ]
    subject = f"node/{watched.node}"
    found += _overdue(AlarmKind.BACKUP_OVERDUE, watched.backup, subject, now=now)
    found += _overdue(AlarmKind.DRILL_OVERDUE, watched.drill, subject, now=now)
    if watched.drill_differences:
        figures = {"differences": watched.drill_differences, "last_at": watched.drill.last_at or 0}
        found.append(Alarm(kind=AlarmKind.DRILL_DIFFERS, subject=subject, figures=figures))
    return found


def _tier(watched: Watched, standing: Collection[tuple[str, str]], *, now: Micros) -> list[Alarm]:
    kind, subject, at = AlarmKind.ONLINE_TIER_FILLING, "tier/online", watched.online_full_at
    if at is None or not _is_soon(at, now=now, stands=(kind, subject) in standing):
        return []
    return [Alarm(kind=kind, subject=subject, figures={"full_at": at, "bytes": watched.online_bytes})]


def _disk(watched: Watched, standing: Collection[tuple[str, str]]) -> list[Alarm]:
    kind, subject, room = AlarmKind.DISK_RESERVE, "disk/online", watched.disk_room_bytes
    if not _is_scarce(room, watched.reserve_bytes, stands=(kind, subject) in standing):
        return []
    return [Alarm(kind=kind, subject=subject, figures={"room": room, "reserve": watched.reserve_bytes})]


def _stores(watched: Watched, standing: Collection[tuple[str, str]], *, now: Micros) -> list[Alarm]:
    found = []
    for store in watched.stores:
        kind, subject = AlarmKind.STORE_FILLING, f"store/{store.name}"
        stands = (kind, subject) in standing
        soon = store.full_at is not None and _is_soon(store.full_at, now=now, stands=stands)
        unknown = store.room_bytes is None and stands  # silent: what was said of it is still what is known
        if soon or unknown or _is_scarce(store.room_bytes, watched.reserve_bytes, stands=stands):
            known = {
                "full_at": store.full_at,
                "room": store.room_bytes,
                "reserve": watched.reserve_bytes,
            }
            figures = {name: value for name, value in known.items() if value is not None}
            found.append(Alarm(kind=kind, subject=subject, figures=figures))
    return found


def _overdue(kind: AlarmKind, rest: Rest, subject: str, *, now: Micros) -> list[Alarm]:
    if not rest.days or now - (rest.since if rest.last_at is None else rest.last_at) <= rest.days * DAY:
        return []
    known = {} if rest.last_at is None else {"last_at": rest.last_at}
    return [Alarm(kind=kind, subject=subject, figures={"days": rest.days, **known})]


def _is_soon(at: Micros, *, now: Micros, stands: bool) -> bool:
    if planted("alarm-flaps"):
        stands = False
    return at - now <= (SETTLED_BEYOND if stands else RAISED_WITHIN)


def _is_scarce(room: int | None, reserve: int, *, stands: bool) -> bool:
    if room is None or planted("reserve-unwatched"):
        return False
    return room * 100 < reserve * (SETTLED_PERCENT if stands and not planted("alarm-flaps") else 100)
