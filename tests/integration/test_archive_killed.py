"""Archiving, expiring and recalling ended by kill -9 at each point: a good copy at each instant, and nothing done twice.

About 40 seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from node.archive.archived import ArchivedRow, copies_of, peek_archived, verified_stores
from node.clock import SystemClock
from node.database.port import read_as
from node.node import Node
from tests.kit.archived_study import COUNT, hold_study, lies_in_archive, read_everything
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY, findings, rows_of

ROOT = Path(__file__).parents[2]
STEPS = ("archive", "expire", "recall")
POINTS = [
    ("archive", "coding"),
    ("archive", "archive-stored"),
    ("archive", "archive-written"),
    ("expire", "expired"),
    ("recall", "merge-copied"),
    ("recall", "merge-named"),
    ("recall", "merge-moved"),
    ("recall", "recalled"),
]
SURVIVED = {"coding"}
"""It ends a process that codes, not the one that archives."""


def walk(folder: Path, *acts: str, failpoint: str = "") -> int:
    """Let a process take steps; give how it ended."""
    environment = {**os.environ, "MERIDIAN_FAILPOINTS": failpoint}
    command = [sys.executable, "-m", "tests.kit.archived_study", str(folder), *acts]
    return subprocess.run(command, env=environment, cwd=ROOT, timeout=120, check=False).returncode


def opened(folder: Path) -> Node:
    return bare_node(folder, "alpha", SystemClock())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    node = bare_node(tmp_path, "alpha", FrozenClock())
    hold_study(node)
    node.close()
    return tmp_path


def held(folder: Path) -> dict[tuple[str, str], str]:
    node = opened(folder)
    try:
        return read_everything(node)
    finally:
        node.close()


@pytest.mark.parametrize(("act", "failpoint"), POINTS, ids=[point for _, point in POINTS])
def test_kill_9_at_each_point_leaves_a_good_copy(folder: Path, act: str, failpoint: str) -> None:
    before = held(folder)
    assert len(before) == COUNT
    earlier = STEPS[: STEPS.index(act)]
    assert walk(folder, *earlier) == 0
    ended = walk(folder, act, failpoint=failpoint)
    assert ended == (0 if failpoint in SURVIVED else -9)
    _check_rows(folder)
    assert walk(folder, *STEPS[STEPS.index(act) :]) == 0
    assert held(folder) == before
    node = opened(folder)
    try:
        assert not lies_in_archive(node)
        assert findings(node) == []
        generations = read_as(node.database, ArchivedRow, "SELECT * FROM archived")
        assert [row.generation for row in generations] == [1]
        assert list((node.state / "archive" / "work").iterdir()) == []
    finally:
        node.close()


def _check_rows(folder: Path) -> None:
    """Say that what the rows mean is there, as the crash left it."""
    node = opened(folder)
    try:
        archived = peek_archived(node.database, KEY)
        if lies_in_archive(node):
            assert archived is not None
            assert verified_stores(copies_of(node.database, archived.digest))
        else:
            assert all(node.packs.path(row.pack).exists() for row in rows_of(node))
    finally:
        node.close()


def test_what_was_read_right_after_each_crash_is_what_was_received(folder: Path) -> None:
    before = held(folder)
    assert walk(folder, "archive", failpoint="archive-stored") == -9
    assert held(folder) == before
    assert walk(folder, "archive", "expire", failpoint="expired") == -9
    assert held(folder) == before
