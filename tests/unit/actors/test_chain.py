"""The actor of the chain: it sleeps until a block is due, mends at its start, and damage stops nothing but the chain."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from actors.chain import MEND_EVERY, Chain, seal_rest
from actors.inbox import WAKE
from node.clock import SECOND
from node.database.port import Statement
from node.errors import Unavailable
from node.journal.blocks import block_path
from node.journal.chain import AGE, blocks_folder
from node.keys.private_files import folder_lock
from node.node import Node
from tests.kit.actors import Failures, eventually
from tests.kit.bare_node import bare_node
from tests.kit.blocks import covered, few_a_block, findings, happen, rows
from tests.kit.clock import FrozenClock


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


def test_the_last_act_seals_what_is_not_due_yet(node: Node) -> None:
    happen(node, 9)
    with few_a_block(4):
        assert seal_rest(node)
    assert [(row.first_seq, row.last_seq) for row in rows(node)] == [(1, 4), (5, 8), (9, 9)]
    assert seal_rest(node)
    assert findings(node) == []
    assert len(rows(node)) == 3


def test_two_that_end_at_once_leave_one_chain(tmp_path: Path, clock: FrozenClock, node: Node) -> None:
    happen(node, 41)
    other = bare_node(tmp_path, "alpha", clock)
    sealed: list[bool] = []
    with few_a_block():
        both = [
            threading.Thread(target=lambda each=each: sealed.append(seal_rest(each, within_s=60)))
            for each in (node, other)
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
    other.close()
    assert sealed == [True, True]
    assert covered(node) == list(range(1, 42))
    assert findings(node) == []


def test_a_disk_that_is_full_at_the_end_is_said_and_nothing_is_lost(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise Unavailable("Writing a block failed (No space left on device): free some.")

    happen(node, 3)
    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr("node.journal.chain.write_block_file", full)
        assert not seal_rest(node)
    assert "No space left on device" in caplog.text
    assert "the next start seals it" in caplog.text
    assert rows(node) == []
    assert seal_rest(node)
    assert covered(node) == [1, 2, 3]


def test_a_database_that_is_gone_at_the_end_keeps_nobody_from_ending(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    happen(node)
    node.database.close()
    with caplog.at_level(logging.WARNING):
        assert not seal_rest(node)
    assert "was not finished" in caplog.text


def test_the_last_act_ends_though_another_holds_the_chain(node: Node) -> None:
    happen(node)
    blocks_folder(node).mkdir()
    with folder_lock(blocks_folder(node)):
        assert not seal_rest(node, within_s=0.01)
        assert rows(node) == []


def test_what_is_damaged_is_not_signed_at_the_end_either(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    happen(node, 3)
    node.write([Statement("UPDATE journal SET cause = 'other' WHERE seq = 2")])
    with caplog.at_level(logging.WARNING):
        assert not seal_rest(node)
    assert covered(node) == [1]
    assert "Sealing the journal stopped before record 2" in caplog.text
