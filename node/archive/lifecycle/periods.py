"""Months as the calendar counts them, and the days that DICOM dates name. Pure: no clock, no zone.

Moments are counted in UTC. A month that has no such day is over when it ends, so a period is
never shorter than its months, and what began later never ends earlier.

Source: 民法典 (Civil Code of the PRC) 201, 202; days by H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
"""

from __future__ import annotations

import re

from node.clock import MINUTE, Micros

HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR
_DATE = re.compile(r"([0-9]{4})(\.?)([0-9]{2})\2([0-9]{2})")
_ERA_DAYS, _ERA_YEARS = 146_097, 400
_TO_1970 = 719_468
"""Days from 0000-03-01 to 1970-01-01."""


def months_after(at: Micros, months: int) -> Micros:
    """Give the moment some calendar months later."""
    day, rest = divmod(at, DAY)
    year, month, day_of_month = _civil(day)
    year, index = divmod(year * 12 + month - 1 + months, 12)
    month = index + 1
    if day_of_month > _length(year, month):
        return _following(year, month) * DAY
    return _day(year, month, day_of_month) * DAY + rest


def day_of(written: str) -> int | None:
    """Give the day that a date names, counted from 1970-01-01; None for what is no date.

    Source: DICOM PS3.5 6.2 (DA), with the dots of ACR-NEMA.
    """
    match = _DATE.fullmatch(written)
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[3]), int(match[4])
    if not (year and 1 <= month <= 12 and 1 <= day <= _length(year, month)):
        return None
    return _day(year, month, day)


def whole_months(day: int, at: Micros) -> int:
    """Give how many whole months lie between a day and a moment; none when the day comes later."""
    year, month, day_of_month = _civil(day)
    to_year, to_month, to_day = _civil(at // DAY)
    return max(0, (to_year - year) * 12 + to_month - month - (to_day < day_of_month))


def date_of(at: Micros) -> str:
    """Write the UTC day of a moment as ``YYYYMMDD``."""
    year, month, day = _civil(at // DAY)
    return f"{year:04}{month:02}{day:02}"


def _civil(day: int) -> tuple[int, int, int]:
    era, day_of_era = divmod(day + _TO_1970, _ERA_DAYS)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    index = (5 * day_of_year + 2) // 153  # March is 0, so that a leap day is the last of its year
    month = index + 3 if index < 10 else index - 9
    return year + era * _ERA_YEARS + (month <= 2), month, day_of_year - (153 * index + 2) // 5 + 1


def _day(year: int, month: int, day: int) -> int:
    year -= month <= 2
    era, year_of_era = divmod(year, _ERA_YEARS)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return (
        era * _ERA_DAYS + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - _TO_1970
    )


def _following(year: int, month: int) -> int:
    """Give the first day of the month after."""
    return _day(year + month // 12, month % 12 + 1, 1)


def _length(year: int, month: int) -> int:
    return _following(year, month) - _day(year, month, 1)
