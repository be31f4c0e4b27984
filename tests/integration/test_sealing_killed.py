"""Sealing the journal with real processes: ended by kill -9 at each point, and two at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.clock import SystemClock
from tests.kit.bare_node import bare_node
from tests.kit.blocks import FEW, covered, findings, happen, rows
from tests.kit.forked import begin_together, run

RECORDS = 10 * FEW + 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    node = bare_node(tmp_path, "alpha", SystemClock())
    happen(node, RECORDS)
    node.close()
    return tmp_path


def check(folder: Path) -> int:
    """Give how many blocks there are, of a chain that holds each record once."""
    node = bare_node(folder, "alpha", SystemClock())
    try:
        assert findings(node) == []
        sealed = covered(node)
        assert sealed == list(range(1, len(sealed) + 1))
        return len(rows(node))
    finally:
        node.close()


@pytest.mark.parametrize(("failpoint", "made"), [("block-written", 2), ("block-rowed", 3)])
def test_kill_9_at_each_point_of_a_block_leaves_one_chain(folder: Path, failpoint: str, made: int) -> None:
    assert run("blocks", folder, failpoint=f"{failpoint}:3") == -9
    assert check(folder) == made
    assert run("blocks", folder) == 0
    assert check(folder) == 11


def test_two_processes_at_once_make_one_chain(folder: Path) -> None:
    both = begin_together(2, "blocks", folder)
    assert [process.wait() for process in both] == [0, 0]
    assert check(folder) == 11
