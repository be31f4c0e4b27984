"""Recalls carried out by a worker's own threads: each comes once, by turns, and never more at once than a few. 15 seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.jobs.worker import JobWorker
from node.archive.expiring import expire_study
from node.archive.recall.asking import MOST_SENT, ask_recall
from node.catalogue.moving import retire_packs
from node.clock import SystemClock
from node.database.port import Statement
from node.names import StudyKey
from node.node import Node
from node.people.accounts import OPERATOR
from tests.kit.archived_study import archive, hold_another, lies_in_archive
from tests.kit.bare_node import bare_node
from tests.kit.http import wait_for

COUNT = 8


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = bare_node(tmp_path, "alpha", SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def keys(node: Node) -> list[StudyKey]:
    """Studies that lie in the archive alone."""
    keys = [hold_another(node, number) for number in range(COUNT)]
    for key in keys:
        archive(node, key)
        expire_study(node, key, reason="age")
    node.write([Statement("UPDATE retired_pack SET due = 0")])
    retire_packs(node)
    return keys


def test_whoever_asks_for_one_waits_for_one_of_who_asks_for_many(node: Node, keys: list[StudyKey]) -> None:
    for key in keys[:-1]:
        ask_recall(node, OPERATOR, key, who="Dr. Li", asker="li")
    ask_recall(node, OPERATOR, keys[-1], who="Dr. Wang", asker="wang")
    worker = JobWorker(node)
    worker.start()
    try:
        wait_for("all studies to be online", lambda: states(node) == {"done": COUNT}, timeout_s=60)
    finally:
        worker.stop()
    assert not any(lies_in_archive(node, key) for key in keys)
    order = [str(row["asker"]) for row in node.database.read("SELECT asker FROM recall ORDER BY sent_at")]
    assert order == ["li"] * MOST_SENT + ["wang"] + ["li"] * (COUNT - MOST_SENT - 1)
    jobs = node.database.read("SELECT state, count(*) AS n FROM job GROUP BY state")
    assert jobs == [{"state": "done", "n": COUNT}]


def states(node: Node) -> dict[str, int]:
    rows = node.database.read("SELECT state, count(*) AS n FROM recall GROUP BY state")
    return {str(row["state"]): int(str(row["n"])) for row in rows}
