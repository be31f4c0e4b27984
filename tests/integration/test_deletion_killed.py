"""Deleting ended by kill -9 after its batch, and after each thing that it erases: the next process goes on, and nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.archive.deletion.deletions import deletions_of, steps_of
from node.clock import SystemClock
from ops.verify import verify
from tests.kit.archived_study import archive, hold_study
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.forked import run
from tests.kit.merging import KEY, rows_of


def walk(folder: Path, act: str, *, failpoint: str = "") -> int:
    """Let a process take a step; give how it ended."""
    return run("deleting", folder, act, failpoint=failpoint)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    node = bare_node(tmp_path, "alpha", FrozenClock())
    hold_study(node)
    archive(node)
    node.close()
    return tmp_path


def test_kill_9_at_each_point_is_gone_on_from(folder: Path) -> None:
    assert walk(folder, "delete", failpoint="study-deleted") == -9
    for _ in range(3):
        assert walk(folder, "erase", failpoint="step-erased") == -9
    assert walk(folder, "erase") == 0
    node = bare_node(folder, "alpha", SystemClock())
    try:
        (found,) = deletions_of(node.database, KEY)
        assert (found.state, rows_of(node), node.packs.names()) == ("done", [], [])
        assert {step.state for step in steps_of(node.database, found.id)} == {"done"}
        assert list(verify(node)) == []
    finally:
        node.close()
