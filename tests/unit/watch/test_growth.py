"""How fast a place grows, and when its room is used up."""

from __future__ import annotations

from node.archive.lifecycle.periods import DAY, HOUR
from node.watch.growth import Growth, Look, growth, used_up_at
from tests.kit.copies import MB, NOW


def looks(*sizes_mb: int, apart: int = DAY) -> list[Look]:
    """Give one look a day, the last of them now."""
    return [
        Look(at=NOW - (len(sizes_mb) - 1 - n) * apart, bytes=size * MB) for n, size in enumerate(sizes_mb)
    ]


def test_nothing_is_said_before_two_days_were_seen() -> None:
    assert growth([], days=30, now=NOW) is None
    assert growth(looks(5), days=30, now=NOW) is None
    assert growth(looks(5, 9, apart=HOUR), days=30, now=NOW) is None


def test_growth_is_that_from_the_first_look_to_the_last() -> None:
    grown = growth(looks(100, 130, 90, 220), days=30, now=NOW)
    assert grown == Growth(daily_bytes=40 * MB, since=NOW - 3 * DAY, until=NOW)


def test_what_is_older_is_left_out() -> None:
    seen = looks(*range(0, 1000, 10))
    lately = growth([*seen[:60], *looks(*range(700, 1100, 10))], days=30, now=NOW)
    assert lately is not None
    assert (lately.daily_bytes, lately.since) == (10 * MB, NOW - 30 * DAY)


def test_a_place_that_shrinks_is_never_full() -> None:
    grown = growth(looks(500, 400, 300), days=30, now=NOW)
    assert grown is not None
    assert grown.daily_bytes == -100 * MB
    assert used_up_at(10 * MB, grown, now=NOW) is None
    assert used_up_at(10 * MB, growth(looks(5, 5, 5), days=30, now=NOW), now=NOW) is None


def test_the_day_on_which_there_is_no_room_is_said() -> None:
    grown = growth(looks(100, 200, 300), days=30, now=NOW)
    assert used_up_at(1000 * MB, grown, now=NOW) == NOW + 10 * DAY
    assert used_up_at(-5 * MB, grown, now=NOW) == NOW
    assert used_up_at(None, grown, now=NOW) is None
    assert used_up_at(1000 * MB, None, now=NOW) is None
