"""The actor that watches: sizes kept day by day, a forecast, alarms as problems that are raised once and settled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from actors.watch import EVERY, Watch
from node.archive.lifecycle.periods import DAY
from node.archive.lifecycle.rules import Limits, Rules
from node.archive.lifecycle.ruling import change_rules
from node.archive.stores.probing import Answer
from node.canonical import digest_of
from node.clock import MINUTE
from node.database.port import Statement
from node.errors import Conflict
from node.node import Node
from node.people.accounts import OPERATOR
from node.watch.ahead import all_facts, peek_forecast
from node.watch.alarms import Alarm, AlarmKind
from node.watch.backups import BackupRow, DrillRow, last_backup, remember_backup, remember_drill
from node.watch.sizes import first_look, looks_at, newest_sizes
from node.watch.standing import let_stand, standing_alarms
from node.watch.watching import watch
from tests.kit.actors import Failures
from tests.kit.archived_study import archive, expire, hold_study
from tests.kit.bare_node import open_archive
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY
from tests.kit.planting import planted

ROOMY = [Answer(store=f"store-{n}", answers=True, room_bytes=10**13) for n in range(2)]
FULL = [ROOMY[0], Answer(store="store-1", answers=True, room_bytes=1)]
SILENT = [ROOMY[0], Answer(store="store-1", answers=False)]


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    with open_archive(tmp_path, clock) as plain:
        storage = msgspec.structs.replace(plain.config.storage, reserve_mb=1)
        yield replace(plain, config=msgspec.structs.replace(plain.config, storage=storage))


def shown(node: Node) -> list[tuple[str, str, bool]]:
    """Give every problem of these kinds, with what it is about and whether somebody has seen to it."""
    rows = node.database.read("SELECT kind, subject, seen_at FROM problem ORDER BY at, id")
    return [(str(row["kind"]), str(row["subject"]), row["seen_at"] is not None) for row in rows]


def test_each_day_has_one_row_a_place_and_the_last_look_counts(node: Node, clock: FrozenClock) -> None:
    days_are_kept(node, clock)


def days_are_kept(node: Node, clock: FrozenClock) -> None:
    watch(node, ROOMY)
    hold_study(node)
    clock.advance(MINUTE)
    watch(node, ROOMY)
    clock.advance(DAY)
    made = archive(node)
    watch(node, ROOMY)
    online, packed = (looks_at(node.database, place, since=0) for place in ("online", "archive"))
    assert [one.bytes > 0 for one in online] == [True, True], "one row a day, the last look of each"
    assert [one.bytes for one in packed] == [0, made.bytes]
    store = next(size for size in newest_sizes(node.database) if size.place == "store/store-1")
    assert (store.studies, store.bytes, store.room_bytes) == (1, made.bytes, 10**13)


def test_planted_rows_that_all_are_of_one_day_are_caught(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "one-size-for-all-days")
    with pytest.raises(AssertionError, match="one row a day"):
        days_are_kept(node, clock)


def test_a_forecast_is_made_once_a_day_and_when_the_rules_change(node: Node, clock: FrozenClock) -> None:
    hold_study(node)
    watch(node, ROOMY)
    first = peek_forecast(node.database)
    assert first is not None
    assert (first.studies, len(first.days)) == (1, 180)
    assert first.days[0].online_bytes >= newest_sizes(node.database)[1].bytes > 0
    clock.advance(EVERY)
    watch(node, ROOMY)
    assert peek_forecast(node.database) == first
    change_rules(node, OPERATOR, Rules(limits=Limits(online_bytes=10**12)))
    watch(node, ROOMY)
    again = peek_forecast(node.database)
    assert again is not None
    assert (again.made_at, again.rules) == (node.now(), 1)
    clock.advance(DAY)
    watch(node, ROOMY)
    tomorrow = peek_forecast(node.database)
    assert tomorrow is not None
    assert tomorrow.made_at == node.now()


def test_facts_of_all_studies_say_in_which_tier_each_lies(node: Node, clock: FrozenClock) -> None:
    hold_study(node)
    assert [(one.tier, one.covered, one.package_bytes) for one in facts(node)] == [("online", False, 0)]
    made = archive(node)
    assert [(one.tier, one.covered, one.package_bytes) for one in facts(node)] == [("both", True, made.bytes)]
    expire(node, clock)
    assert [(one.tier, one.key) for one in facts(node)] == [("archived", KEY)]
    hold = Statement(
        "INSERT INTO hold (origin, study_uid, reason, who) VALUES (?, ?, 'teaching', 'x')",
        (KEY.origin, KEY.study_uid),
    )
    node.write([hold])
    assert [one.holds[0].reason for one in facts(node)] == ["teaching"]
    assert [one.rejected for one in all_facts(node.database, own=node.id)] == [False]


def facts(node: Node) -> list:  # type: ignore[type-arg]  # of StudyFacts
    return list(all_facts(node.database, own=node.id))


def test_an_alarm_is_a_problem_once_and_settled_by_itself(node: Node, clock: FrozenClock) -> None:
    for _ in range(3):
        watch(node, FULL)
        clock.advance(MINUTE)
    assert shown(node) == [("store-filling", "store/store-1", False)]
    assert [alarm.kind for alarm in standing_alarms(node.database)] == ["store-filling"]
    watch(node, SILENT)
    assert len(standing_alarms(node.database)) == 1, "a store that is silent settles nothing"
    watch(node, ROOMY)
    assert shown(node) == [("store-filling", "store/store-1", True)]
    assert standing_alarms(node.database) == []
    types = [record.type for record in node.journal.since(0, limit=50)]
    assert types == ["problem-found/1", "problem-settled/1"]
    watch(node, FULL)
    assert [seen for _, _, seen in shown(node)] == [True, False], "it is said again when it comes again"


def test_a_problem_that_somebody_has_seen_is_not_said_again_while_it_stands(
    node: Node, clock: FrozenClock
) -> None:
    watch(node, FULL)
    node.write([Statement("UPDATE problem SET seen_at = 5")])
    clock.advance(DAY)
    watch(node, FULL)
    assert len(shown(node)) == 1
    assert len(standing_alarms(node.database)) == 1


def test_of_two_that_raise_an_alarm_at_once_one_is_refused(node: Node) -> None:
    alarm = Alarm(kind=AlarmKind.BACKUP_OVERDUE, subject="node/alpha", figures={"days": 2})
    one, other = let_stand(node, [alarm]), let_stand(node, [alarm])
    node.write(one)
    with pytest.raises(Conflict):
        node.write(other)
    assert len(shown(node)) == 1
    one, other = let_stand(node, []), let_stand(node, [])
    node.write(one)
    with pytest.raises(Conflict):
        node.write(other)


def test_a_node_without_a_backup_says_so_after_the_days_of_its_rule_and_no_more_once_one_is_made(
    node: Node, clock: FrozenClock
) -> None:
    watch(node, ROOMY)
    clock.advance(2 * DAY)
    watch(node, ROOMY)
    assert shown(node) == []
    clock.advance(MINUTE)
    watch(node, ROOMY)
    assert shown(node) == [("backup-overdue", "node/alpha", False)]
    made = BackupRow(
        at=node.now(), backup=digest_of("b"), place="/mnt/backups/alpha", files=3, bytes=10, new_bytes=2
    )
    node.write([remember_backup(made)])
    assert last_backup(node.database) == made
    watch(node, ROOMY)
    assert shown(node) == [("backup-overdue", "node/alpha", True)]


def test_a_drill_that_found_differences_is_a_problem_until_one_finds_none(
    node: Node, clock: FrozenClock
) -> None:
    drill = DrillRow(
        at=node.now(), backup=digest_of("b"), made_at=1, studies=2, instances=12, differences=3, seconds=1.5
    )
    node.write([remember_drill(drill)])
    watch(node, ROOMY)
    assert shown(node) == [("drill-differs", "node/alpha", False)]
    clock.advance(MINUTE)
    node.write([remember_drill(replace(drill, at=node.now(), differences=0))])
    watch(node, ROOMY)
    assert shown(node) == [("drill-differs", "node/alpha", True)]


def test_an_online_tier_that_will_meet_its_limit_is_said(node: Node) -> None:
    hold_study(node)
    (row,) = node.database.read("SELECT bytes FROM study")
    change_rules(node, OPERATOR, Rules(limits=Limits(online_bytes=int(str(row["bytes"])) + 10)))
    watch(node, ROOMY)
    assert ("online-tier-filling", "tier/online", False) in shown(node)


def test_a_disk_below_the_reserve_is_said(node: Node) -> None:
    storage = msgspec.structs.replace(node.config.storage, reserve_mb=1 << 40)
    poor = replace(node, config=msgspec.structs.replace(node.config, storage=storage))
    watch(poor, [])
    assert ("disk-reserve", "disk/online", False) in shown(node)


def test_the_actor_looks_at_once_and_then_every_ten_minutes_whatever_rings(
    node: Node, clock: FrozenClock
) -> None:
    actor = Watch(Failures(), node)
    assert actor.step() is None
    before = first_look(node.database)
    assert before == node.now()
    clock.advance(MINUTE)
    assert actor.step() == 9 * 60
    assert newest_sizes(node.database)[0].at == before
    clock.advance(9 * MINUTE)
    assert actor.step() is None
    assert newest_sizes(node.database)[0].at == node.now()
