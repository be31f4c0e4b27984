"""The archive's actor with a frozen clock: a study goes its whole way by the rules, and nothing goes early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from actors.archive import Archive
from actors.jobs.job_table import JobTable
from actors.jobs.tasks import ARCHIVE
from node.archive.archived import peek_archived
from node.archive.lifecycle.periods import DAY, HOUR, date_of, months_after
from node.archive.lifecycle.rules import Rule, Rules
from node.archive.lifecycle.ruling import change_rules
from node.archive.tier import QUEUE
from node.clock import SECOND, Micros
from node.database.port import Statement
from node.node import Node
from node.people.accounts import OPERATOR
from tests.kit.actors import Failures
from tests.kit.archived_study import hold_study, lies_in_archive, read_everything, recall
from tests.kit.bare_node import open_archive
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    with open_archive(tmp_path, clock) as node:
        yield node


def settle(node: Node) -> None:
    """Let the actor and its jobs do all there is to do now."""
    actor = Archive(Failures(), node)
    table = JobTable(node.database, node.clock)
    for _ in range(20):
        actor.step()
        while (job := table.lease(QUEUE)) is not None:
            ARCHIVE[job.name](node, **job.keywords)
            table.finish(job)


def decided(node: Node) -> tuple[str, str]:
    (row,) = node.database.read("SELECT decision, reason FROM lifecycle")
    return str(row["decision"]), str(row["reason"])


def test_a_study_is_archived_when_quiet_and_let_go_six_months_after(node: Node, clock: FrozenClock) -> None:
    fresh(node, clock)
    before = read_everything(node)
    settle(node)
    assert decided(node) == ("keep", "quiet")
    clock.advance(25 * HOUR)
    settle(node)
    assert decided(node) == ("keep", "young")
    assert peek_archived(node.database, KEY) is not None
    clock.advance(months_after(clock.now(), 6) - clock.now() - 2 * DAY)
    settle(node)
    assert not lies_in_archive(node)
    clock.advance(3 * DAY)
    settle(node)
    assert lies_in_archive(node)
    assert decided(node) == ("keep", "retained")
    assert read_everything(node) == before


def test_one_that_was_read_stays_six_months_more(node: Node, clock: FrozenClock) -> None:
    fresh(node, clock)
    clock.advance(25 * HOUR)
    settle(node)
    clock.advance(200 * DAY)
    settle(node)
    assert lies_in_archive(node)
    recall(node)
    settle(node)
    assert decided(node) == ("keep", "young")
    clock.advance(170 * DAY)
    settle(node)
    assert not lies_in_archive(node)
    clock.advance(30 * DAY)
    settle(node)
    assert lies_in_archive(node)


def test_an_old_study_that_was_brought_in_is_archived_soon(node: Node, clock: FrozenClock) -> None:
    fresh(node, clock, date="20200101")
    settle(node)
    assert peek_archived(node.database, KEY) is None
    clock.advance(HOUR)
    settle(node)
    assert peek_archived(node.database, KEY) is not None


def test_rules_that_changed_count_at_once(node: Node, clock: FrozenClock) -> None:
    fresh(node, clock)
    settle(node)
    assert peek_archived(node.database, KEY) is None
    soon = Rule(name="all", archive_after_hours=0)
    change_rules(node, replace(OPERATOR), msgspec.structs.replace(Rules(), rules=(soon,)))
    settle(node)
    assert peek_archived(node.database, KEY) is not None


def test_a_clock_set_back_lets_nothing_go(node: Node, clock: FrozenClock) -> None:
    fresh(node, clock)
    clock.advance(25 * HOUR)
    settle(node)
    clock.advance(-365 * DAY)
    settle(node)
    assert not lies_in_archive(node)


def test_a_missing_copy_is_put_again(node: Node, clock: FrozenClock) -> None:
    fresh(node, clock)
    clock.advance(25 * HOUR)
    settle(node)
    node.write([Statement("UPDATE package_copy SET state = 'gone' WHERE store = 'store-0'", expect=1)])
    node.write([Statement("UPDATE lifecycle SET next_at = ?", (node.now(),))])
    settle(node)
    states = node.database.read("SELECT state FROM package_copy")
    assert [row["state"] for row in states] == ["verified", "verified"]
    found = peek_archived(node.database, KEY)
    assert found is not None
    assert found.generation == 1


def fresh(node: Node, clock: FrozenClock, *, date: str = "") -> Micros:
    """Hold the study, taken today or on another day; gives now."""
    hold_study(node)
    node.write([Statement("UPDATE study SET study_date = ?", (date or date_of(clock.now()),))])
    clock.advance(SECOND)
    return clock.now()
