from __future__ import annotations

import pytest

from node.reporting import printed
from tests.kit.clock import NOON


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ZHANG^SAN=张^三", ("张三", "ZHANG SAN")),
        ("ZHANG^SAN=张^三=ㄓㄤ", ("张三", "ZHANG SAN")),
        ("Smith^John^A^^Dr", ("Smith John A Dr", "")),
        ("=欧阳^锋", ("欧阳锋", "")),
        ("张三", ("张三", "")),
        ("", ("", "")),
    ],
)
def test_name_is_read_in_chinese_where_there_is_one(written, read):
    assert printed.name_parts(written) == read


@pytest.mark.parametrize(("value", "shown"), [("058Y", "58岁"), ("003M", "3个月"), ("58", "58"), ("", "")])
def test_age_is_read_with_its_unit_and_never_guessed(value, shown):
    assert printed.age(value) == shown


@pytest.mark.parametrize(
    ("day", "time", "shown"),
    [
        ("20260302", "093012.5", "2026-03-02 09:30"),
        ("20260302", "", "2026-03-02"),
        ("1967.04", "", "1967.04"),
        ("", "0930", ""),
    ],
)
def test_date_of_another_form_is_shown_as_it_was_written(day, time, shown):
    assert printed.moment(day, time) == shown


def test_signing_time_is_that_of_the_hospital():
    assert printed.clock_time(printed.local_time(NOON, "Asia/Shanghai")) == "2026-03-02 12:00:00"


def test_time_says_utc_where_the_zone_is_unknown():
    assert printed.clock_time(printed.local_time(NOON, "Nowhere/Else")) == "2026-03-02 04:00:00 UTC"


@pytest.mark.parametrize(("part", "shown"), [("CHEST", "胸部"), ("chest", "胸部"), ("左膝", "左膝")])
def test_defined_body_parts_are_read_in_chinese(part, shown):
    assert printed.body_part(part) == shown
