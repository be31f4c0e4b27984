"""The actor that scrubs: a step at a time, no faster than it may, at the hours it may, whatever rings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as change

from actors.scrub import Scrub
from node.archive.lifecycle.periods import DAY
from node.clock import MINUTE
from node.node import Node
from tests.kit.actors import Failures
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.merging import associate, complete, ingest, rows_of, slice_of


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    node = bare_node(tmp_path, "alpha", clock)
    for n in range(1, 4):
        associate(node, slice_of(n))
    ingest(node)
    complete(node)
    clock.advance(15 * DAY)
    yield node
    node.close()


class Watch:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def with_settings(node: Node, **settings: object) -> Node:
    return replace(node, config=change(node.config, archive=change(node.config.archive, **settings)))


def verified(node: Node) -> list[bool]:
    rows = node.database.read("SELECT verified_at FROM scrubbed")
    return [row["verified_at"] == node.now() for row in rows]


def test_what_is_due_is_compared_and_what_was_verified_rests(node: Node, clock: FrozenClock) -> None:
    watch = Watch()
    actor = Scrub(Failures(), node, monotonic_s=watch)
    assert actor.step() == Scrub.SPACING_S
    assert verified(node) == [True] * 3
    watch.now_s += 1
    assert actor.step() == Scrub.POLL_S
    clock.advance(13 * DAY)
    watch.now_s += 60
    actor.step()
    assert not any(verified(node))
    clock.advance(2 * DAY)
    watch.now_s += 60
    actor.step()
    assert all(verified(node))


def test_it_waits_for_its_rate_and_a_ring_does_not_hurry_it(node: Node) -> None:
    watch = Watch()
    slow = with_settings(node, scrub_mb_s=0.0001)
    actor = Scrub(Failures(), slow, monotonic_s=watch)
    wait = actor.step()
    read = sum(row.meta_bytes + row.data_bytes for row in rows_of(node))
    assert wait == pytest.approx(read / 100)
    watch.now_s += 5
    assert actor.step() == pytest.approx(read / 100 - 5)


def test_outside_of_its_hours_and_at_no_rate_it_rests(node: Node, clock: FrozenClock) -> None:
    for settings in ({"scrub_hours": "20-6"}, {"scrub_mb_s": 0.0}):
        actor = Scrub(Failures(), with_settings(node, **settings), monotonic_s=Watch())
        assert actor.step() is None
        assert verified(node) == []
    clock.advance(9 * 60 * MINUTE)  # noon in Shanghai until now
    Scrub(Failures(), with_settings(node, scrub_hours="20-6"), monotonic_s=Watch()).step()
    assert verified(node) == [True] * 3


def test_two_of_them_do_no_harm(node: Node) -> None:
    one, other = (Scrub(Failures(), node, monotonic_s=Watch()) for _ in range(2))
    one.step()
    other.step()
    assert verified(node) == [True] * 3
