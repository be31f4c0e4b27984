"""An alarm in a sentence for the list of problems: what is the case, and what to do. Pure."""

from __future__ import annotations

from typing import assert_never

from node.archive.lifecycle.periods import date_of
from node.watch.alarms import Alarm, AlarmKind

_GIGABYTE = 1_000_000_000


def say(alarm: Alarm) -> str:
    """Say it; names of places are the administrator's own."""
    figures, where = alarm.figures, alarm.subject.split("/", 1)[1]
    match alarm.kind:
        case AlarmKind.ONLINE_TIER_FILLING:
            return (
                f"Keeping new studies online fails from about {_day(figures['full_at'])}: the online tier, now"
                f" {_size(figures['bytes'])}, meets its limit then. Let copies go earlier by the rules, raise the limit, or add a disk."
            )
        case AlarmKind.STORE_FILLING:
            when = f", full about {_day(figures['full_at'])}" if "full_at" in figures else ""
            room = f"{_size(figures['room'])} free" if "room" in figures else "it does not answer now"
            return f"Archiving into store {where} comes to its end ({room}{when}). Enlarge it, or add another [[archive.store]]."
        case AlarmKind.DISK_RESERVE:
            return (
                f"Receiving instances is refused: {_size(figures['room'])} are free on the disk of the online tier, below the reserve of"
                f" {_size(figures['reserve'])}. Make room as in 'Disk full', or add a disk."
            )
        case AlarmKind.BACKUP_OVERDUE:
            return (
                f"Backing this node up is overdue: {_last(alarm)}."
                f" Do: meridian backup STATE --to PLACE, at least every {_days(figures['days'])}."
            )
        case AlarmKind.DRILL_OVERDUE:
            return (
                f"Trying a backup out is overdue: {_last(alarm)}."
                f" Do: meridian drill PLACE --key DRAWER --state STATE, at least every {_days(figures['days'])}."
            )
        case AlarmKind.DRILL_DIFFERS:
            return (
                f"Trying a backup out on {_day(figures['last_at'])} found {figures['differences']} differences: it would not"
                " bring back what was there. Do: meridian verify STATE, and keep an earlier backup until a drill says 0."
            )
        case _:
            assert_never(alarm.kind)


def _last(alarm: Alarm) -> str:
    at = alarm.figures.get("last_at")
    return "it was never done" if at is None else f"it was last done on {_day(at)}"


def _day(at: int) -> str:
    written = date_of(at)
    return f"{written[:4]}-{written[4:6]}-{written[6:]}"


def _days(count: int) -> str:
    return "day" if count == 1 else f"{count} days"


def _size(count: int) -> str:
    return f"{count / _GIGABYTE:.1f} GB"
