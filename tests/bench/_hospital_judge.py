"""Who says that an expiry was right: by what is true, and by the rules read anew.

It knows when a study was truly used, who holds it and which copies are sound, has a calendar of
its own, and never asks what it judges.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from node.archive.lifecycle.decisions import Expire, Why
from node.archive.lifecycle.facts import CopyState, Kind, State
from node.archive.lifecycle.rules import Rules
from node.clock import Micros
from tests.bench._hospital_load import HOUR
from tests.bench._hospital_study import Study

FLOOR = 24 * HOUR
OLD_MONTHS, MONTHS, COPIES = 24, {"old": 1, "MG": 12, "rest": 6}, 2
FULL_ENOUGH = 0.8
"""Of the limit: below that nothing may go before its time. One study can be a tenth of a small hospital's tier."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def faults(study: Study, decision: Expire, *, rules: Rules, at: Micros, online_bytes: int) -> list[str]:
    """Say what is wrong with letting an online copy go at a time."""
    early = decision.reason.code is Why.PRESSURE
    coming = study.coming
    old = months_between(coming.study_date, study.first_at) >= OLD_MONTHS
    months = MONTHS["old" if old else coming.modality if coming.modality in MONTHS else "rest"]
    held = any(hold.kind is Kind.ONLINE and (hold.until is None or hold.until > at) for hold in study.holds)
    sound = {copy.store for copy in study.copies if copy.state is CopyState.VERIFIED}
    checks = {
        "is held": held,
        "has too few sound copies": len(sound) < COPIES,
        "is not all in its package": not study.packaged or study.state is not State.COMPLETE,
        "was just used": at - study.used < FLOOR,
        "has not had its time": not early and at < due(study.used, months),
        "goes early though there is room": early and online_bytes < FULL_ENOUGH * rules.limits.online_bytes,
    }
    return [words for words, wrong in checks.items() if wrong]


def due(used: Micros, months: int) -> Micros:
    """Give the same day some months later, or the first one after; by the library's calendar."""
    begins = _moment(used)
    index = begins.year * 12 + begins.month - 1 + months
    try:
        ends = begins.replace(year=index // 12, month=index % 12 + 1)
    except ValueError:
        ends = datetime((index + 1) // 12, (index + 1) % 12 + 1, 1, tzinfo=UTC)
    return round((ends - _EPOCH) / timedelta(microseconds=1))


def months_between(written: str, at: Micros) -> int:
    day, to = datetime.strptime(written, "%Y%m%d").replace(tzinfo=UTC), _moment(at)
    return (to.year - day.year) * 12 + to.month - day.month - (to.day < day.day)


def _moment(at: Micros) -> datetime:
    return _EPOCH + timedelta(microseconds=at)
