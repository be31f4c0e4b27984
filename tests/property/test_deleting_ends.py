"""Deleting ended at each single effect that it has: a study is here whole, or going; never half, and in the end nothing is left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from node.archive.deletion.deletions import deletions_of
from node.archive.deletion.erasing import erase_study
from node.node import Node
from ops.verify import verify
from tests.kit.archived_study import COUNT, archive, hold_study
from tests.kit.bare_node import two_stores
from tests.kit.clock import NOON, FrozenClock
from tests.kit.deleting import approve, ask, erase_all
from tests.kit.merging import KEY, rows_of
from tests.kit.mortal import killed_after

LATER = NOON + 3_600_000_000


def opened(folder: Path, clock: FrozenClock) -> Node:
    return two_stores(folder, clock)


@pytest.fixture(scope="module")
def asked_for(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a node with an archived study that somebody has asked to delete."""
    folder = tmp_path_factory.mktemp("asked")
    node = opened(folder, FrozenClock())
    hold_study(node)
    archive(node)
    ask(node)
    node.close()
    return folder


def end_after(folder: Path, effects: int) -> bool:
    """Approve and erase until this many effects; say whether it came to an end before them."""
    clock = FrozenClock(LATER)
    node = opened(folder, clock)
    with killed_after(effects) as life:
        deletion = approve(node, deletions_of(node.database, KEY)[0])
        erase_study(node, deletion.id)
        clock.advance(3_600_000_000)
        erase_study(node, deletion.id)
    node.close()
    return not life.over


def faults(node: Node) -> list[str]:
    """Give what `verify` names."""
    return [one.line for one in verify(node)]


def test_whatever_effect_is_the_last_one_all_goes_or_nothing(asked_for: Path, tmp_path: Path) -> None:
    for effects in range(200):
        folder = tmp_path / str(effects)
        shutil.copytree(asked_for, folder)
        ended = end_after(folder, effects)
        clock = FrozenClock(LATER + 7_200_000_000)
        node = opened(folder, clock)
        (found,) = deletions_of(node.database, KEY)
        assert len(rows_of(node)) == (COUNT if found.state == "asked" else 0)
        assert faults(node) == [], f"after {effects} effects"
        if found.state == "asked":
            found = approve(node, found)
        done = erase_all(node, found, clock)
        assert (done.state, faults(node)) == ("done", []), f"after {effects} effects"
        assert list(folder.rglob("*.pack")) == []
        assert [path for path in (folder / "archive").glob("store-*/??/*") if path.is_file()] == []
        node.close()
        shutil.rmtree(folder)
        if ended:
            assert effects > 20
            return
    raise AssertionError("it never ended by itself")
