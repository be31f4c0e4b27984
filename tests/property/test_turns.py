"""Whatever is asked for by whom and when: nobody waits for more than one study of each other per study of her own."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.archive.recall.turns import in_turn
from tests.kit.planting import planted

LONG = bool(os.environ.get("MERIDIAN_LONG"))
ASKERS = ("li", "wang", "chen", "")
thorough = settings(max_examples=5_000 if LONG else 300, deadline=None)


@dataclass(frozen=True)
class Asked:
    id: str
    asker: str
    priority: int
    at: int


acts = st.lists(
    st.one_of(st.none(), st.tuples(st.sampled_from(ASKERS), st.integers(1, 12))), min_size=1, max_size=60
)
"""One who asks for so many studies, or, None, a study that has its turn."""


def unfair(steps: list[tuple[str, int] | None]) -> str:
    """Let it happen; name the first who waited for two studies of another."""
    waiting: list[Asked] = []
    served: dict[str, int] = {}
    since: dict[str, Counter[str]] = {}
    for at, step in enumerate([*steps, *[None] * sum(step[1] for step in steps if step)]):
        if step is not None:
            asker, count = step
            since.setdefault(asker, Counter())
            waiting += [Asked(f"{at:03}-{n:02}", asker, 1, at) for n in range(count)]
            continue
        order = in_turn(waiting, served)
        if not order:
            continue
        turn = order[0]
        waiting.remove(turn)
        served[turn.asker] = at
        since.pop(turn.asker)
        for other, ahead in since.items():
            ahead[turn.asker] += 1
            if ahead[turn.asker] > 1:
                return f"{other!r} waited for two of {turn.asker!r}"
        if any(one.asker == turn.asker for one in waiting):
            since[turn.asker] = Counter()
    assert not waiting
    return ""


@given(acts)
@thorough
def test_nobody_waits_for_two_studies_of_another(steps: list[tuple[str, int] | None]) -> None:
    assert unfair(steps) == ""


def test_planted_service_by_arrival_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "recall-first-come")
    assert unfair([("li", 5), ("wang", 1)]) != ""


tickets = st.lists(
    st.builds(
        Asked,
        id=st.uuids().map(str),
        asker=st.sampled_from(ASKERS),
        priority=st.integers(0, 4),
        at=st.integers(0, 9),
    ),
    unique_by=lambda one: one.id,
    max_size=40,
)
last = st.dictionaries(st.sampled_from(ASKERS), st.integers(0, 99))


@given(tickets, last)
@thorough
def test_each_has_one_turn_and_the_places_shown_are_those_that_come(
    waiting: list[Asked], served: dict[str, int]
) -> None:
    order = in_turn(waiting, served)
    assert sorted(one.id for one in order) == sorted(one.id for one in waiting)
    assert [one.priority for one in order] == sorted(one.priority for one in waiting)
    known, left, now = dict(served), list(waiting), 1_000
    for shown in order:
        turn = in_turn(left, known)[0]
        assert turn.priority == shown.priority
        left.remove(turn)
        now += 1
        known[turn.asker] = now
        if len({one.priority for one in waiting}) == 1:
            assert turn == shown
