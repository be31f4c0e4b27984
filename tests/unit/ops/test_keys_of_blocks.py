"""Whose signature counts under a block: the node's own key, and by the roster those that it had at the time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.statements import KeysRotated
from node.keys.store import KeyStore
from node.names import NodeId
from node.node import Node
from ops.verify_blocks import GRACE, keys_of
from tests.kit.alliance import Alliance
from tests.kit.bare_node import bare_node
from tests.kit.blocks import few_a_block, findings, happen, seal_all
from tests.kit.clock import FrozenClock


@pytest.fixture
def alliance(tmp_path: Path, clock: FrozenClock) -> Iterator[Alliance]:
    alliance = Alliance.found(tmp_path / "alliance", clock)
    yield alliance
    alliance.close()


def seal(node: Node) -> None:
    happen(node)
    with few_a_block():
        seal_all(node)


def test_without_an_alliance_it_is_the_node_s_own(tmp_path: Path, clock: FrozenClock) -> None:
    node = bare_node(tmp_path, "alpha", clock)
    assert [(key.verify_key, key.until) for key in keys_of(node)] == [(node.keys.verify_key, None)]
    seal(node)
    assert findings(node) == []
    node.close()


def test_a_block_of_before_its_node_joined_counts(alliance: Alliance) -> None:
    node = alliance["alpha"].node
    seal(node)
    assert findings(node) == []


def test_a_key_that_the_root_replaced_counts_for_what_was_sealed_until_then(
    alliance: Alliance, tmp_path: Path, clock: FrozenClock
) -> None:
    node = alliance["alpha"].node
    seal(node)
    clock.advance(1)
    other = KeyStore.open(tmp_path / "other", NodeId("alpha"), clock)
    alliance.say(KeysRotated(node=node.id, keys=other.public_keys), "alpha")
    assert {key.verify_key for key in keys_of(node)} == {node.keys.verify_key, other.verify_key}
    seal(node)
    assert findings(node) == []
    clock.advance(GRACE + 1)
    seal(node)
    assert [finding.what for finding in findings(node)] == [
        "it is signed by a key that had been replaced by then"
    ]


def test_new_encryption_keys_change_nothing(alliance: Alliance, clock: FrozenClock) -> None:
    node = alliance["alpha"].node
    node.keys.rotate_hpke()
    clock.advance(1)
    alliance.say(KeysRotated(node=node.id, keys=node.keys.public_keys), "alpha")
    clock.advance(2 * GRACE)
    seal(node)
    assert findings(node) == []
