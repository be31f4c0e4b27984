"""The actor of the chain: it sleeps until a block is due, mends at its start, and damage stops nothing but the chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.chain import MEND_EVERY, Chain
from actors.inbox import WAKE
from node.clock import SECOND
from node.database.port import Statement
from node.journal.blocks import block_path
from node.journal.chain import AGE, blocks_folder
from node.node import Node
from tests.kit.actors import Failures, eventually
from tests.kit.bare_node import bare_node
from tests.kit.blocks import covered, few_a_block, findings, happen, rows
from tests.kit.clock import FrozenClock


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock):
    node = bare_node(tmp_path, "alpha", clock)
    yield node
    node.close()


def actor_of(node: Node) -> Chain:
    return Chain(Failures(), node)


def shown(node: Node) -> list[str]:
    return [str(row["kind"]) for row in node.database.read("SELECT kind FROM problem")]


def test_it_looks_again_when_the_oldest_record_is_due(node: Node, clock: FrozenClock) -> None:
    actor = actor_of(node)
    assert actor.step() is None
    happen(node)
    assert actor.step() == Chain.POLL_S
    clock.advance(AGE - 7 * SECOND)
    assert actor.step() == pytest.approx(7.0)
    clock.advance(7 * SECOND)
    assert actor.step() == 0
    assert actor.step() is None
    assert covered(node) == [1]


def test_a_file_that_is_gone_comes_back_at_the_next_start_and_within_the_hour(
    node: Node, clock: FrozenClock
) -> None:
    happen(node, 2)
    clock.advance(AGE)
    actor = actor_of(node)
    actor.step()
    path = block_path(blocks_folder(node), 1)
    path.unlink()
    actor.step()
    assert not path.exists()
    actor_of(node).step()
    assert path.exists()
    path.unlink()
    clock.advance(MEND_EVERY)
    actor.step()
    assert findings(node) == []


def test_damage_is_shown_once_and_does_not_end_the_process(node: Node, clock: FrozenClock) -> None:
    happen(node, 3)
    node.write([Statement("UPDATE journal SET cause = 'other' WHERE seq = 2")])
    clock.advance(AGE)
    actor = actor_of(node)
    assert actor.step() == 0
    assert covered(node) == [1]
    assert [actor.step(), actor.step(), actor_of(node).step()] == [None, None, None]
    assert shown(node) == ["journal-damaged"]


def test_it_seals_by_itself_what_waits(node: Node) -> None:
    with few_a_block(3):
        happen(node, 7)
        ref = Chain.start(Failures(), node)
        ref.tell(WAKE)
        eventually(lambda: len(rows(node)) == 3)
        ref.stop()
    assert covered(node) == list(range(1, 8))
