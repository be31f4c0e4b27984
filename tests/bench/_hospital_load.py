"""What comes to a simulated hospital in ten years: which studies, how they are read, held and added to. By a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from node.archive.lifecycle.periods import DAY, HOUR
from node.clock import Micros

START = datetime(2026, 1, 1, tzinfo=UTC)
BEGINS: Micros = round(START.timestamp()) * 1_000_000
YEARS = 10
DAYS = (START.replace(year=START.year + YEARS) - START).days
MB = 1_000_000
WEEK = (1.15, 1.1, 1.05, 1.0, 1.0, 0.45, 0.25)
GROWTH = 1.08
"""A year."""
BACKFILL_SHARE, BACKFILL_DAYS, BACKFILL_YEARS = 0.1, 365, 8
MODALITIES = {
    # share, usual size, instances a MB
    "DX": (0.38, 16, 0.1), "CT": (0.30, 260, 2.0), "US": (0.12, 30, 1.0), "MR": (0.14, 120, 4.0),
    "MG": (0.04, 110, 0.05), "XA": (0.02, 350, 0.1),
}  # fmt: skip
SPREAD, LARGEST = 0.5, 4.0
"""Sizes are spread log-normally, and cut off at some times the usual."""
DEPARTMENTS = ("outpatient", "emergency", "neurology", "oncology", "surgery")
MEAN_BYTES = round(sum(share * size for share, size, _ in MODALITIES.values()) * MB * math.exp(SPREAD**2 / 2))


@dataclass(frozen=True, slots=True)
class Coming:
    """A study before it comes, and what will be done with it; times count from its arrival."""

    at: Micros
    modality: str
    department: str
    study_date: str
    bytes: int
    instances: int
    backfilled: bool
    reads: tuple[Micros, ...]
    reported: Micros
    hold: tuple[Micros, Micros, str, bool] | None
    """When it is placed, how long it lasts, what it needs, and whether its end is known."""
    grows: Micros | None
    rejected: Micros | None
    damaged: tuple[Micros, bool] | None
    """When a copy of its package is found to be damaged, and whether both are."""
    looks_back: bool
    """Whoever reads it looks at an earlier one too."""


class Load:
    """Draws each day's studies."""

    def __init__(self, studies: int, seed: int) -> None:
        self.random = Random(seed)
        self._backfilled = round(studies * BACKFILL_SHARE)
        self._coming = spread(studies - self._backfilled, [_weight(day) for day in range(DAYS)])
        weekends = [(START + timedelta(day)).weekday() >= 5 for day in range(BACKFILL_DAYS)]
        self._brought = spread(self._backfilled, [float(weekend) for weekend in weekends])

    def day(self, day: int) -> list[Coming]:
        """Draw a day's studies."""
        found = [self._drawn(day, backfilled=False) for _ in range(self._coming[day])]
        if day < BACKFILL_DAYS:
            found += [self._drawn(day, backfilled=True) for _ in range(self._brought[day])]
        return found

    def _drawn(self, day: int, *, backfilled: bool) -> Coming:
        draw, chance = self.random, self.random.random
        (modality,) = draw.choices(list(MODALITIES), weights=[share for share, _, _ in MODALITIES.values()])
        _, usual, per_mb = MODALITIES[modality]
        size = max(1, round(MB * usual * min(LARGEST, math.exp(draw.gauss(0, SPREAD)))))
        hour = draw.uniform(7, 19) if chance() < 0.85 else draw.uniform(0, 24)
        old_days = draw.randrange(30, 365 * BACKFILL_YEARS) if backfilled else 0
        later = 0 if backfilled else 1
        reads = [
            round(draw.expovariate(1 / 25) * DAY) for _ in range(min(6, int(draw.expovariate(0.8))) * later)
        ]
        return Coming(
            at=BEGINS + day * DAY + round(hour * HOUR),
            modality=modality,
            department=draw.choice(DEPARTMENTS),
            study_date=(START + timedelta(day - old_days)).strftime("%Y%m%d"),
            bytes=size,
            instances=max(1, round(per_mb * size / MB)),
            backfilled=backfilled,
            reads=tuple(sorted(reads)),
            reported=round(draw.uniform(0.05, 3) * DAY) if later else 0,
            hold=self._hold() if chance() < 0.02 else None,
            grows=round(draw.uniform(2, 300) * DAY) if later and chance() < 0.01 else None,
            rejected=HOUR if later and chance() < 0.005 else None,
            damaged=(round(draw.uniform(3, 200) * DAY), chance() < 0.5) if chance() < 0.02 else None,
            looks_back=bool(later) and chance() < 0.3,
        )

    def _hold(self) -> tuple[Micros, Micros, str, bool]:
        draw = self.random
        kind = "online" if draw.random() < 0.6 else "copy"
        placed, lasts = draw.uniform(0.1, 30), draw.uniform(30, 500)
        return round(placed * DAY), round(lasts * DAY), kind, draw.random() < 0.5

    def earlier(self, count: int) -> int:
        """Choose one of the studies before: the last are looked at most."""
        ago = int(self.random.expovariate(4 / count)) if count else 0
        return count - 1 - ago if ago < count else self.random.randrange(count)


def spread(total: int, weights: list[float]) -> list[int]:
    """Share a number out by weights so that nothing is lost."""
    whole, so_far, given, shares = sum(weights), 0.0, 0, []
    for weight in weights:
        so_far += weight
        upto = round(total * so_far / whole)
        shares.append(upto - given)
        given = upto
    return shares


def _weight(day: int) -> float:
    return WEEK[(START + timedelta(day)).weekday()] * GROWTH ** (day / 365.25)
