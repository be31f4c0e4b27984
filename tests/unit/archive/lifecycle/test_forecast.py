"""How large the tiers will be, and the day on which the online tier is full."""

from __future__ import annotations

from node.archive.lifecycle.facts import StudyFacts, Tier
from node.archive.lifecycle.forecast import forecast
from node.archive.lifecycle.periods import DAY, HOUR
from node.archive.lifecycle.rules import Rule, Rules
from tests.kit.copies import MB, NOW, archived, held, rules, study, used


def steady_hospital(days: int = 28) -> list[StudyFacts]:
    """One CT a day, each archived the day after."""
    return [
        archived(n, first_at=NOW - n * DAY + HOUR, last_at=NOW - n * DAY + HOUR) for n in range(1, days + 1)
    ]


def test_nothing_comes_where_nothing_came() -> None:
    ahead = forecast([], Rules(), now=NOW, days=3)
    assert [(day.at, day.online_bytes, day.archive_bytes) for day in ahead.days] == [
        (NOW + n * DAY, 0, 0) for n in (1, 2, 3)
    ]
    assert (ahead.arriving_bytes, ahead.limit_at) == (0, None)


def test_the_online_tier_grows_until_as_much_goes_as_comes() -> None:
    ahead = forecast(steady_hospital(), rules(Rule(name="all", expire_after_months=1)), now=NOW, days=90)
    assert ahead.arriving_bytes == 300 * MB
    sizes = [day.online_bytes for day in ahead.days]
    assert sizes[0] == 29 * 300 * MB
    assert {size // (300 * MB) for size in sizes[5:]} <= {29, 30, 31, 32}
    assert ahead.days[-1].archive_bytes == (28 + 89) * 120 * MB


def test_the_days_on_which_limits_are_met_are_said() -> None:
    given = rules(online_bytes=100 * 300 * MB, reserve_bytes=5 * 300 * MB, pressure_percent=90)
    ahead = forecast(steady_hospital(), given, now=NOW, days=90)
    assert ahead.pressure_at == NOW + 63 * DAY
    assert ahead.reserve_at == NOW + 68 * DAY
    assert ahead.limit_at == NOW + 73 * DAY
    assert forecast(steady_hospital(), given, now=NOW, days=60).pressure_at is None


def test_holds_stay_and_overdue_copies_go_on_the_first_day() -> None:
    facts = [
        used(300 * DAY),
        used(300 * DAY, holds=(held(),)),
        used(300 * DAY, holds=(held(until=NOW + 3 * DAY),)),
    ]
    ahead = forecast(facts, Rules(), now=NOW, days=4)
    assert [day.online_bytes // (300 * MB) for day in ahead.days] == [2, 2, 1, 1]


def test_what_is_not_archived_yet_will_be_and_old_studies_are_no_rate() -> None:
    facts = [
        study(1, last_at=NOW, first_at=NOW - 40 * DAY),
        study(2, first_at=NOW, last_at=NOW, backfilled=True),
        study(3, rejected=True, first_at=NOW - 40 * DAY),
        archived(4, tier=Tier.ARCHIVED, first_at=NOW - 300 * DAY),
    ]
    ahead = forecast(facts, Rules(), now=NOW, days=2)
    assert ahead.arriving_bytes == 0
    assert [day.archive_bytes for day in ahead.days] == [360 * MB, 360 * MB]
    assert [day.online_bytes for day in ahead.days] == [900 * MB, 900 * MB]
