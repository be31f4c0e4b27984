"""The keys of a deleted study's sealed copies go first, also where their store is away or configured no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from node.archive.archived import CopyRow, copies_of, peek_archived
from node.archive.copies import stored_of
from node.archive.stores.encrypted import EncryptedStore
from node.archive.stores.folder import FolderStore
from node.archive.stores.port import MARKER
from node.errors import NotFound
from node.keys.archive_keys import ArchiveKeys
from node.node import Node
from tests.kit.archived_study import archive, hold_study
from tests.kit.bare_node import SparingTier, bare_node
from tests.kit.clock import FrozenClock
from tests.kit.deleting import delete, erase, erase_all, found_in
from tests.kit.merging import KEY
from tests.kit.planting import planted


@contextmanager
def sealing_node(tmp_path: Path, clock: FrozenClock) -> Iterator[tuple[Node, EncryptedStore]]:
    """Give a node whose only store is outside of the building, with an archived study."""
    plain = bare_node(tmp_path, "alpha", clock)
    inner = FolderStore("cloud", tmp_path / "cloud")
    (tmp_path / "cloud").mkdir()
    inner.prepare()
    store = EncryptedStore(inner, ArchiveKeys.open(plain.state / "keys", clock))
    node = replace(plain, archive=SparingTier(tmp_path / "work", [store], copies=1))
    hold_study(node)
    archive(node)
    yield node, store
    node.close()


def node_copies(node: Node) -> list[CopyRow]:
    archived = peek_archived(node.database, KEY)
    assert archived is not None
    return copies_of(node.database, archived.digest)


def test_the_keys_of_sealed_copies_go_first_wherever_those_lie(tmp_path: Path, clock: FrozenClock) -> None:
    with sealing_node(tmp_path, clock) as (node, store):
        (copy,) = node_copies(node)
        store.open(stored_of(copy)).close()
        (tmp_path / "cloud" / MARKER).rename(tmp_path / "marker")
        assert found_in(node.state / "keys", [copy.wrapped_key]) != []
        deleted = delete(node)
        assert erase(node, deleted).state == "deleted"
        node.database.read("PRAGMA wal_checkpoint(TRUNCATE)")
        assert found_in(node.state, [copy.wrapped_key]) == []
        assert erase_all(node, deleted, clock).state == "deleted"
        (tmp_path / "marker").rename(tmp_path / "cloud" / MARKER)
        with pytest.raises(NotFound, match="its key was forgotten"):
            store.open(replace(stored_of(copy), wrapped_key=""))
        assert erase_all(node, deleted, clock).state == "done"
        assert list(store.names()) == []


def without_stores(node: Node, tmp_path: Path) -> Node:
    """Give the node as somebody left it who took its store out of the configuration."""
    return replace(node, archive=SparingTier(tmp_path / "none", [], copies=1))


def test_the_key_of_a_copy_in_a_store_that_is_configured_no_more_goes_too(
    tmp_path: Path, clock: FrozenClock
) -> None:
    with sealing_node(tmp_path, clock) as (node, _):
        (copy,) = node_copies(node)
        left = without_stores(node, tmp_path)
        assert erase_all(left, delete(left), clock).state == "deleted"
        assert found_in(node.state / "keys", [copy.wrapped_key]) == []


def test_a_planted_key_that_is_left_is_caught(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sealing_node(tmp_path, clock) as (node, _):
        (copy,) = node_copies(node)
        left = without_stores(node, tmp_path)
        planted(monkeypatch, "key-left")
        erase(left, delete(left))
        assert found_in(node.state / "keys", [copy.wrapped_key]) != []
