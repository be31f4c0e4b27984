"""Which alarms are raised, and when each is settled: at another figure, so that none flaps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.archive.lifecycle.periods import DAY
from node.clock import Micros
from node.watch.alarms import Alarm, AlarmKind, Filled, Rest, Watched, alarms
from node.watch.saying import say
from tests.kit.copies import NOW
from tests.kit.planting import planted

GB = 1_000_000_000
QUIET = Watched(
    node="alpha", online_bytes=400 * GB, online_full_at=None, disk_room_bytes=500 * GB, reserve_bytes=2 * GB,
    stores=(Filled(name="nas", room_bytes=900 * GB, full_at=None),),
    backup=Rest(days=2, last_at=NOW - DAY, since=NOW - 400 * DAY),
    drill=Rest(days=190, last_at=NOW - 100 * DAY, since=NOW - 400 * DAY), drill_differences=0,
)  # fmt: skip


def kinds(watched: Watched, *standing: tuple[str, str]) -> list[str]:
    return [alarm.kind for alarm in alarms(watched, standing, now=NOW)]


def test_a_node_that_is_well_raises_none() -> None:
    assert kinds(QUIET) == []


@pytest.mark.parametrize(
    ("days", "stood", "stands"), [(13, False, True), (15, False, False), (15, True, True), (22, True, False)]
)
def test_a_tier_and_a_store_are_said_to_fill_two_weeks_before_and_settled_three_weeks_before(
    days: int, stood: bool, stands: bool
) -> None:
    at = NOW + days * DAY
    tier = replace(QUIET, online_full_at=at)
    store = replace(QUIET, stores=(Filled(name="nas", room_bytes=900 * GB, full_at=at),))
    before = [("online-tier-filling", "tier/online"), ("store-filling", "store/nas")] if stood else []
    assert kinds(tier, *before) == (["online-tier-filling"] if stands else [])
    assert kinds(store, *before) == (["store-filling"] if stands else [])


@pytest.mark.parametrize(
    ("room", "stood", "stands"),
    [(1.9, False, True), (2.1, False, False), (2.4, True, True), (2.6, True, False)],
)
def test_a_disk_and_a_store_below_the_reserve_are_said_until_a_quarter_more_is_free(
    room: float, stood: bool, stands: bool
) -> None:
    free = int(room * GB)
    before = [("disk-reserve", "disk/online"), ("store-filling", "store/nas")] if stood else []
    assert kinds(replace(QUIET, disk_room_bytes=free), *before) == (["disk-reserve"] if stands else [])
    full = replace(QUIET, stores=(Filled(name="nas", room_bytes=free, full_at=None),))
    assert kinds(full, *before) == (["store-filling"] if stands else [])


def test_a_store_that_is_silent_settles_nothing_and_raises_nothing() -> None:
    silent = replace(QUIET, stores=(Filled(name="nas", room_bytes=None, full_at=None),))
    assert kinds(silent) == []
    assert kinds(silent, ("store-filling", "store/nas")) == ["store-filling"]


def test_backups_and_drills_are_overdue_by_the_rule_and_never_before_a_new_node_could_have_made_one() -> None:
    old = replace(QUIET.backup, last_at=NOW - 2 * DAY - 1)
    assert kinds(replace(QUIET, backup=old)) == ["backup-overdue"]
    assert kinds(replace(QUIET, backup=replace(old, days=0))) == []
    never = replace(QUIET.backup, last_at=None)
    assert kinds(replace(QUIET, backup=never)) == ["backup-overdue"]
    assert kinds(replace(QUIET, backup=replace(never, since=NOW - DAY))) == []
    assert kinds(replace(QUIET, drill=replace(QUIET.drill, last_at=NOW - 191 * DAY))) == ["drill-overdue"]


def test_a_drill_with_differences_stands_until_one_has_none() -> None:
    bad = replace(QUIET, drill_differences=3)
    assert kinds(bad) == ["drill-differs"]
    assert kinds(QUIET, ("drill-differs", "node/alpha")) == []


ROOM = st.none() | st.integers(-5, 60).map(lambda days: NOW + days * DAY)


@given(ups=st.lists(ROOM, min_size=2, max_size=30))
def test_between_two_alarms_of_a_kind_lies_a_week_of_figures(ups: list[Micros | None]) -> None:
    settle_between(ups)


def settle_between(ups: list[Micros | None]) -> None:
    """Let the forecast move; an alarm is settled only where it is three weeks away or gone."""
    standing: list[tuple[str, str]] = []
    for at in ups:
        found = alarms(replace(QUIET, online_full_at=at), standing, now=NOW)
        if standing and not found:
            assert at is None or at - NOW > 21 * DAY, "it was settled too soon"
        standing = [alarm.name for alarm in found]


def test_a_planted_alarm_that_flaps_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "alarm-flaps")
    with pytest.raises(AssertionError, match="too soon"):
        settle_between([NOW + 13 * DAY, NOW + 15 * DAY])


def test_a_planted_reserve_that_nobody_watches_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "reserve-unwatched")
    with pytest.raises(AssertionError, match="disk-reserve"):
        reserve_is_said()


def reserve_is_said() -> None:
    assert kinds(replace(QUIET, disk_room_bytes=GB)) == ["disk-reserve"]


@pytest.mark.parametrize("kind", AlarmKind)
def test_each_alarm_says_what_was_attempted_and_what_to_do(kind: AlarmKind) -> None:
    figures = {
        "full_at": NOW, "bytes": 4 * GB, "room": GB, "reserve": 2 * GB, "days": 2, "last_at": NOW, "differences": 3,
    }  # fmt: skip
    said = say(Alarm(kind=kind, subject="store/nas", figures=figures))
    assert said.endswith(".")
    assert ". " in said
    if kind in (AlarmKind.BACKUP_OVERDUE, AlarmKind.DRILL_OVERDUE):
        assert "never done" in say(Alarm(kind=kind, subject="node/alpha", figures={"days": 2}))
