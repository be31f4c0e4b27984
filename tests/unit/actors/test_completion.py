"""A study is complete by count or by quiet, never while something of it is still to be registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from actors.completion import COUNT, QUIET, Completion, due
from actors.ingest import Ingest
from node.catalogue.search import StudyRow, get_study
from node.clock import SECOND
from node.database.port import Level, Row, Statement, Value
from node.database.sqlite import SqliteDatabase
from node.events import StudyCompleted, decode
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from tests.kit.actors import Failures
from tests.kit.clock import FrozenClock
from tests.kit.instances import make_ct
from tests.kit.registering import facts, receive, store

KEY = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID("2.25.1"))
CLOCK = FrozenClock()


def study(node: Node) -> StudyRow:
    return get_study(node.database, KEY)


def completions(node: Node) -> list[StudyCompleted]:
    read = (decode((StudyCompleted,), record.type, record.body) for record in node.journal.of(KEY.subject))
    return [event for event in read if event is not None]


def test_quiet_study_is_complete_after_a_minute_and_not_before(node: Node, clock: FrozenClock) -> None:
    receive(node, make_ct())
    actor = Completion(Failures(), node)
    clock.advance(59 * SECOND)
    assert actor.step() == pytest.approx(1.0)
    assert study(node).state == "receiving"
    clock.advance(1 * SECOND)
    actor.step()
    assert (study(node).state, study(node).completed_at) == ("complete", clock.now())
    assert completions(node) == [StudyCompleted(instances=1, reason=QUIET)]
    assert node.journal.of(KEY.subject)[-1].cause == "cause-1"


def test_of_many_that_are_on_their_way_none_is_read_before_it_is_due(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(node, *(make_ct(study_uid=f"2.25.{n}", sop_uid=f"2.25.{n}.1.1") for n in range(2, 42)))
    clock.advance(50 * SECOND)
    receive(node, make_ct())
    counted: list[int] = []
    read = SqliteDatabase.read

    def counting(
        self: SqliteDatabase, sql: str, params: Sequence[Value] = (), level: Level = Level.LINEARIZABLE
    ) -> list[Row]:
        rows = read(self, sql, params, level)
        counted.append(len(rows))
        return rows

    monkeypatch.setattr(SqliteDatabase, "read", counting)
    actor = Completion(Failures(), node)
    assert (actor.step(), sum(counted)) == (pytest.approx(10.0), 1)
    clock.advance(11 * SECOND)
    actor.step()
    states = node.database.read("SELECT state, count(*) AS n FROM study GROUP BY state ORDER BY state")
    assert [(row["state"], row["n"]) for row in states] == [("complete", 40), ("receiving", 1)]


def test_it_sleeps_when_nothing_is_receiving(node: Node) -> None:
    assert Completion(Failures(), node).step() == Completion.POLL_S


def test_another_instance_begins_the_quiet_anew(node: Node, clock: FrozenClock) -> None:
    receive(node, make_ct())
    clock.advance(50 * SECOND)
    receive(node, make_ct(sop_uid="2.25.1.1.2"))
    clock.advance(50 * SECOND)
    Completion(Failures(), node).step()
    assert study(node).state == "receiving"


def test_late_instance_makes_it_complete_once_more(node: Node, clock: FrozenClock) -> None:
    receive(node, make_ct())
    actor = Completion(Failures(), node)
    clock.advance(60 * SECOND)
    actor.step()
    receive(node, make_ct(sop_uid="2.25.1.1.2"))
    assert study(node).state == "receiving"
    clock.advance(60 * SECOND)
    actor.step()
    actor.step()
    assert [event.instances for event in completions(node)] == [1, 2]


def test_study_with_instances_still_to_be_registered_is_not_complete(node: Node, clock: FrozenClock) -> None:
    receive(node, make_ct())
    store(node, make_ct(sop_uid="2.25.1.1.2"))
    clock.advance(600 * SECOND)
    actor = Completion(Failures(), node)
    assert actor.step() == pytest.approx(0.5)
    assert study(node).state == "receiving"
    Ingest(Failures(), node).step()
    actor.step()
    assert completions(node) == [StudyCompleted(instances=2, reason=QUIET)]


def test_announced_count_completes_at_once(node: Node) -> None:
    receive(node, make_ct())
    node.write([Statement("UPDATE study SET expected = 2")])
    actor = Completion(Failures(), node)
    actor.step()
    assert study(node).state == "receiving"
    receive(node, make_ct(sop_uid="2.25.1.1.2"))
    actor.step()
    assert completions(node) == [StudyCompleted(instances=2, reason=COUNT)]


def test_instance_that_comes_while_deciding_is_not_overlooked(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(node, make_ct())
    clock.advance(60 * SECOND)
    write = node.database.write

    def after_another(statements: list[Statement], key: str) -> object:
        monkeypatch.setattr(node.database, "write", write)
        receive(node, make_ct(sop_uid="2.25.1.1.2"))
        return write(statements, key)

    monkeypatch.setattr(node.database, "write", after_another)
    assert Completion(Failures(), node).step() == 0
    assert study(node).state == "receiving"
    assert completions(node) == []


def test_peers_study_waits_for_its_origins_count_however_quiet_the_link(node: Node) -> None:
    receive(node, make_ct())
    row = replace(study(node), origin=NodeId("beta"))
    assert due(row, own=node.id, quiet=60).at is None
    assert due(replace(row, expected=2), own=node.id, quiet=60).at is None
    assert due(replace(row, expected=1), own=node.id, quiet=60) == due(
        replace(row, expected=1, last_at=2**60), own=node.id, quiet=60
    )
    assert due(replace(row, expected=1), own=node.id, quiet=60).at == 0


def test_metadata_alone_is_never_complete(node: Node) -> None:
    receive(node, make_ct(), given=facts(node, door="peer", origin=NodeId("beta")))
    node.write([Statement("UPDATE study SET state = 'announced', expected = 0")])
    Completion(Failures(), node).step()
    assert [row["state"] for row in node.database.read("SELECT state FROM study")] == ["announced"]
