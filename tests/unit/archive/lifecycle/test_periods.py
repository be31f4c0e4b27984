"""Months are those of the calendar, and never shorter than they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from node.archive.lifecycle.periods import date_of, day_of, months_after, whole_months


def at(written: str) -> int:
    return round(datetime.fromisoformat(written).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("begins", "months", "ends"),
    [
        ("2026-01-15 10:30:00", 6, "2026-07-15 10:30:00"),
        ("2026-08-31 23:59:59", 6, "2027-03-01 00:00:00"),
        ("2027-08-29 08:00:00", 6, "2028-02-29 08:00:00"),
        ("2024-02-29 12:00:00", 180, "2039-03-01 00:00:00"),
        ("2026-12-31 00:00:00", 1, "2027-01-31 00:00:00"),
        ("1969-12-31 23:00:00", 2, "1970-03-01 00:00:00"),
        ("2026-05-31 09:00:00", 0, "2026-05-31 09:00:00"),
    ],
)
def test_a_month_ends_on_the_same_day_or_when_it_is_over(begins: str, months: int, ends: str) -> None:
    assert months_after(at(begins), months) == at(ends)


def test_what_began_later_ends_no_earlier() -> None:
    hours = [at("2027-12-30 00:00:00") + hour * 3_600_000_000 for hour in range(24 * 70)]
    ends = [months_after(hour, 2) for hour in hours]
    assert ends == sorted(ends)


def test_days_are_those_of_the_library() -> None:
    start = datetime(1899, 12, 31, tzinfo=UTC)
    for offset in range(0, 80_000, 7):
        day = start + timedelta(days=offset)
        moment = round(day.timestamp()) * 1_000_000
        assert date_of(moment) == day.strftime("%Y%m%d")
        assert day_of(date_of(moment)) == moment // 86_400_000_000


@pytest.mark.parametrize(
    "written", ["", "2026", "20260230", "00000101", "2026-01-01", "20261301", "2026.0101", "x"]
)
def test_what_is_no_date_names_no_day(written: str) -> None:
    assert day_of(written) is None


def test_dots_are_read() -> None:
    assert day_of("2026.06.15") == day_of("20260615")


def test_only_whole_months_count_and_the_future_counts_as_none() -> None:
    day = day_of("20260115")
    assert day is not None
    assert whole_months(day, at("2026-02-14 23:00:00")) == 0
    assert whole_months(day, at("2026-02-15 00:00:00")) == 1
    assert whole_months(day, at("2028-01-20 00:00:00")) == 24
    assert whole_months(day, at("2020-01-20 00:00:00")) == 0
