"""How much of a package is fetched for a recall: decided by what it costs, in few reads, each of a bounded size."""

from __future__ import annotations

import pytest

from node.archive.recall.ranges import BLOCK_BYTES, RUN_BLOCKS, Span, by_ranges, runs
from tests.kit.planting import planted

MB = 1 << 20
SIZE, ONLINE = 400 * MB, 1000 * MB
"""A study of 1,000 instances, packed to 40 %."""


def wanted(numbers: range) -> list[tuple[int, int]]:
    return [(number, MB) for number in numbers]


def test_a_series_of_a_large_study_is_read_by_ranges() -> None:
    assert by_ranges(wanted(range(101, 301)), size=SIZE, online_bytes=ONLINE)


def test_a_study_of_which_all_is_wanted_is_fetched_whole() -> None:
    assert not by_ranges(wanted(range(1, 1001)), size=SIZE, online_bytes=ONLINE)


def test_most_of_a_study_is_fetched_whole_since_that_is_compared_as_a_whole() -> None:
    assert by_ranges(wanted(range(1, 701)), size=SIZE, online_bytes=ONLINE)
    assert not by_ranges(wanted(range(1, 801)), size=SIZE, online_bytes=ONLINE)


def test_a_small_package_is_fetched_whole_whatever_is_wanted() -> None:
    assert not by_ranges([(1, MB)], size=4 * MB, online_bytes=10 * MB)
    assert by_ranges([(1, MB)], size=8 * MB, online_bytes=20 * MB)


def test_instances_that_lie_scattered_cost_a_request_each() -> None:
    assert by_ranges(wanted(range(1, 1000, 10)), size=SIZE, online_bytes=ONLINE)
    assert not by_ranges(wanted(range(1, 1000, 5)), size=SIZE, online_bytes=ONLINE)


def test_a_package_that_says_nothing_of_its_originals_is_no_division_by_nothing() -> None:
    assert not by_ranges([], size=0, online_bytes=0)


def test_neighbours_come_by_one_read_of_a_bounded_size() -> None:
    members = [Span(n * 300_000, (n + 1) * 300_000) for n in range(100)]
    found = runs(members, known=())
    assert [block for run in found for block in run] == list(range(29))
    assert max(map(len, found)) == RUN_BLOCKS
    assert len(found) == 4


def test_a_member_of_many_gigabytes_comes_in_runs_that_fit_into_memory() -> None:
    found = runs([Span(5, 4 << 30)], known=())
    assert max(map(len, found)) * BLOCK_BYTES == 8 * MB
    assert sum(map(len, found)) * BLOCK_BYTES == 4 << 30


def test_what_lies_between_is_fetched_where_asking_again_costs_as_much() -> None:
    near = [Span(0, 10), Span(2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 10)]
    far = [Span(0, 10), Span(3 * BLOCK_BYTES, 3 * BLOCK_BYTES + 10)]
    assert runs(near, known=()) == [range(3)]
    assert runs(far, known=()) == [range(1), range(3, 4)]


def test_what_is_here_is_not_fetched_again() -> None:
    assert runs([Span(0, 4 * BLOCK_BYTES)], known={0, 2}) == [range(1, 2), range(3, 4)]
    assert runs([Span(0, 4 * BLOCK_BYTES)], known={0, 1, 2, 3}) == []


def test_a_planted_habit_of_fetching_all_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "always-whole")
    assert not by_ranges(wanted(range(101, 301)), size=SIZE, online_bytes=ONLINE)
