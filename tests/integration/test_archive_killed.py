"""Archiving, expiring and recalling ended by kill -9 at each point: a good copy at each instant, and nothing done twice.

The same of a study that grew after it was archived, and of the older package's end.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from node.archive.archived import (
    PART,
    WHOLE,
    ArchivedRow,
    copies_of,
    is_archived,
    peek_archived,
    peek_archived_pack,
)
from node.archive.expiring import lies_there
from node.clock import SystemClock
from node.database.port import read_as
from node.names import Digest
from node.node import Node
from tests.kit.archived_study import COUNT, hold_study, lies_in_archive, read_everything, slices
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.forked import run
from tests.kit.merging import KEY, associate, complete, findings, ingest, rows_of

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
    return run("archived_study", folder, *acts, failpoint=failpoint)


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
    """Say that what each row means is there, as the crash left it: its pack, or a package with a verified copy."""
    node = opened(folder)
    try:
        for row in rows_of(node):
            if is_archived(row.pack):
                archived = peek_archived_pack(node.database, row.pack)
                assert archived is not None
                copies = copies_of(node.database, archived.digest)
                assert any(lies_there(node, copy, archived) for copy in copies)
            else:
                assert node.packs.path(row.pack).exists()
    finally:
        node.close()


AGAIN = [
    (("archive", "grow"), "archive", "coding"),
    (("archive", "grow"), "archive", "archive-stored"),
    (("archive", "grow"), "archive", "archive-written"),
    (("archive", "expire", "grow"), "archive", "merge-copied"),
    (("archive", "expire", "grow"), "archive", "merge-named"),
    (("archive", "expire", "grow"), "archive", "merge-moved"),
    (("archive", "expire", "grow"), "archive", "recalled"),
    (("archive", "expire", "grow"), "archive", "archive-stored"),
    (("archive", "expire", "grow"), "archive", "archive-written"),
    (("archive", "expire", "retire", "grow", "archive"), "supersede", "superseded"),
    (("archive", "expire", "retire", "grow", "archive"), "supersede", "superseded-removed"),
    (("archive", "grow", "archive"), "expire", "expired"),
]


@pytest.mark.parametrize(
    ("earlier", "act", "failpoint"), AGAIN, ids=[f"{len(earlier)}-{point}" for earlier, _, point in AGAIN]
)
def test_a_study_that_grew_is_archived_anew_whenever_it_is_killed(
    folder: Path, earlier: tuple[str, ...], act: str, failpoint: str
) -> None:
    received = held(folder)
    assert walk(folder, *earlier) == 0
    ended = walk(folder, act, failpoint=failpoint)
    assert ended == (0 if failpoint in SURVIVED else -9)
    _check_rows(folder)
    assert walk(folder, act) == 0
    _check_rows(folder)
    assert walk(folder, "archive", "retire", "supersede", "expire", "retire") == 0
    _check_rows(folder)
    node = opened(folder)
    try:
        (archived,) = read_as(node.database, ArchivedRow, "SELECT * FROM archived")
        assert (archived.generation, archived.instances) == (2, COUNT + 1)
        assert lies_in_archive(node)
        after = read_everything(node)
        assert received.items() <= after.items()
        assert len(after) == COUNT + 1
        assert findings(node) == []
        named = {copy.stored for copy in copies_of(node.database, archived.digest)}
        assert set(node.archive.stores[0].names()) - _orphans(failpoint, node) == named
    finally:
        node.close()


def _orphans(failpoint: str, node: Node) -> set[Digest]:
    """Give what a crash may leave in the store, to be removed a day later: a package that no row means yet."""
    if failpoint != "archive-stored":
        return set()
    known = {copy["stored"] for copy in node.database.read("SELECT stored FROM package_copy")}
    left = set(node.archive.stores[0].names()) - known
    assert len(left) == 1
    return left  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("failpoint", "online"),
    [
        ("merge-copied:2", PART),
        ("merge-named:2", PART),
        ("merge-moved:1", PART),
        ("merge-moved:2", WHOLE),
        ("recalled", WHOLE),
    ],
)
def test_a_study_that_comes_in_portions_is_killed_between_them(
    folder: Path, failpoint: str, online: int
) -> None:
    node = opened(folder)
    associate(node, *slices(2, series=2))
    ingest(node)
    complete(node)
    node.close()
    received = held(folder)
    assert walk(folder, "archive", "expire", "retire") == 0
    assert walk(folder, "portions", failpoint=failpoint) == -9
    _check_rows(folder)
    assert online_of(folder) == online
    assert walk(folder, "portions") == 0
    assert online_of(folder) == WHOLE
    assert held(folder) == received
    node = opened(folder)
    try:
        assert findings(node) == []
    finally:
        node.close()


def online_of(folder: Path) -> int:
    node = opened(folder)
    try:
        archived = peek_archived(node.database, KEY)
        assert archived is not None
        return archived.online
    finally:
        node.close()


def test_what_was_read_right_after_each_crash_is_what_was_received(folder: Path) -> None:
    before = held(folder)
    assert walk(folder, "archive", failpoint="archive-stored") == -9
    assert held(folder) == before
    assert walk(folder, "archive", "expire", failpoint="expired") == -9
    assert held(folder) == before
