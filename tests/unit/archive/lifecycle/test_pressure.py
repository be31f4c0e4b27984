"""When the online tier fills, the least recently used go, and what is needed stays."""

from __future__ import annotations

import pytest

from node.archive.lifecycle.decisions import Why
from node.archive.lifecycle.facts import Kind, State, Tier
from node.archive.lifecycle.periods import DAY, HOUR
from node.archive.lifecycle.pressure import Barred, relieve, to_free
from node.archive.lifecycle.rules import Limits, Rules
from tests.kit.copies import MB, NOW, archived, held, study, used
from tests.kit.planting import planted

RULES = Rules()
SIZE = 300 * MB


def ages(**days: int) -> dict[str, int]:
    return {name: NOW - n * DAY for name, n in days.items()}


def test_nothing_goes_while_there_is_room() -> None:
    limits = Limits(online_bytes=1000, pressure_percent=90, relieved_percent=80)
    assert to_free(limits, 900) == 0
    assert to_free(limits, 901) == 101
    assert to_free(Limits(), 10**18) == 0


def test_the_reserve_is_kept_free() -> None:
    limits = Limits(online_bytes=1000, reserve_bytes=250, pressure_percent=90, relieved_percent=80)
    assert to_free(limits, 750) == 0
    assert to_free(limits, 751) == 1


def test_the_least_recently_used_go_first_and_no_more_than_wanted() -> None:
    candidates = [archived(n, **ages(last_at=n)) for n in (2, 5, 3, 4)]
    relief = relieve(candidates, RULES, now=NOW, wanted_bytes=SIZE + 1)
    assert [facts.study_uid for facts, _ in relief.expire] == ["2.25.5", "2.25.4"]
    assert {decision.reason.code for _, decision in relief.expire} == {Why.PRESSURE}
    assert (relief.freed_bytes, relief.short_bytes) == (2 * SIZE, 0)


def test_reading_puts_a_study_at_the_end() -> None:
    candidates = [archived(1, **ages(last_at=100, read_at=2)), archived(2, **ages(last_at=50))]
    relief = relieve(candidates, RULES, now=NOW, wanted_bytes=1)
    assert [facts.study_uid for facts, _ in relief.expire] == ["2.25.2"]


def test_what_was_brought_for_nobody_goes_by_its_last_use_but_not_at_once() -> None:
    last_week = archived(1, **ages(last_at=400, brought_at=5))
    today = archived(2, **ages(last_at=500, brought_at=0))
    relief = relieve(
        [today, archived(3, **ages(last_at=100)), last_week], RULES, now=NOW, wanted_bytes=9 * SIZE
    )
    assert [facts.study_uid for facts, _ in relief.expire] == ["2.25.1", "2.25.3"]
    assert set(relief.barred) == {Barred(why=Why.RECENT, studies=1, bytes=SIZE)}


def test_those_whose_time_is_over_go_before_any_other() -> None:
    overdue = used(250 * DAY)
    relief = relieve([archived(2, **ages(last_at=90)), overdue], RULES, now=NOW, wanted_bytes=SIZE)
    assert [(facts, decision.reason.code) for facts, decision in relief.expire] == [(overdue, Why.DUE)]


def test_what_is_needed_stays_and_what_is_missing_is_said() -> None:
    candidates = [
        archived(1, holds=(held(),)),
        archived(2, **ages(read_at=0)),
        archived(3, verified_copies=1),
        archived(4, state=State.RECEIVING),
        study(5),
        archived(6, tier=Tier.ARCHIVED),
        archived(7, holds=(held(kind=Kind.COPY),)),
        archived(8, holds=(held(until=NOW - 1),)),
    ]
    relief = relieve(candidates, RULES, now=NOW, wanted_bytes=10 * SIZE)
    assert [facts.study_uid for facts, _ in relief.expire] == ["2.25.7", "2.25.8"]
    assert relief.short_bytes == 8 * SIZE
    assert set(relief.barred) == {
        Barred(why=why, studies=1, bytes=SIZE)
        for why in (Why.HELD, Why.RECENT, Why.COPIES, Why.RECEIVING, Why.COMPLETE)
    }


def test_the_floor_is_kept_to_the_microsecond_and_when_the_clock_is_set_back() -> None:
    facts = used(24 * HOUR)
    assert relieve([facts], RULES, now=NOW, wanted_bytes=1).freed_bytes == SIZE
    assert relieve([facts], RULES, now=NOW - 1, wanted_bytes=1).freed_bytes == 0
    assert relieve([facts], RULES, now=NOW - 366 * DAY, wanted_bytes=1).freed_bytes == 0


def test_a_planted_hold_that_is_ignored_under_pressure_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = archived(holds=(held(),))
    assert relieve([facts], RULES, now=NOW, wanted_bytes=1).expire == ()
    planted(monkeypatch, "hold-ignored")
    assert relieve([facts], RULES, now=NOW, wanted_bytes=1).expire != ()
