from __future__ import annotations

from itertools import pairwise

import pytest

from actors.reach import LONGEST_S, Reach
from node.names import NodeId

CENTRE, RELAY = NodeId("centre"), NodeId("relay")


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr("actors.reach.time.monotonic", clock.monotonic)
    return clock


def test_a_host_is_left_alone_longer_each_time_up_to_a_minute(time: Time) -> None:
    reach = Reach(lambda: None)
    waits = []
    for _ in range(12):
        waits.append(reach.failed(CENTRE))
        time.now += waits[-1]
    assert 0.7 < waits[0] <= 1.0
    assert all(later > earlier for earlier, later in pairwise(waits[:6]))
    assert all(0.7 * LONGEST_S < wait <= LONGEST_S for wait in waits[-4:])


def test_actors_that_fail_together_count_once(time: Time) -> None:
    reach = Reach(lambda: None)
    first = reach.failed(CENTRE)
    time.now += 0.1
    assert reach.failed(CENTRE) == pytest.approx(first - 0.1)


def test_one_host_says_nothing_of_another(time: Time) -> None:
    reach = Reach(lambda: None)
    reach.failed(CENTRE)
    assert reach.wait_s(RELAY) == 0
    assert reach.wait_s(CENTRE) > 0


def test_who_reaches_a_host_that_was_away_sends_the_others_there(time: Time) -> None:
    rings: list[str] = []
    reach = Reach(lambda: rings.append("!"))
    reach.reached(CENTRE)
    assert rings == []
    reach.failed(CENTRE)
    reach.reached(CENTRE)
    assert rings == ["!"]
    assert reach.wait_s(CENTRE) == 0
