"""The archive's actor when the online tier is too large: the least recently used go, what is needed stays and is counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from actors.archive import Archive
from node.archive import relieving
from node.archive.lifecycle.decided import peek_decided
from node.archive.lifecycle.fullness import Bar, Pressure, online_bytes, peek_pressure
from node.archive.lifecycle.periods import DAY
from node.archive.lifecycle.rules import Limits, Rule, Rules
from node.archive.lifecycle.ruling import change_rules, get_rules
from node.catalogue.moving import RETIRED_FOR, retire_packs
from node.clock import MINUTE
from node.database.port import Statement
from node.names import StudyKey
from node.node import Node
from node.people.accounts import OPERATOR
from tests.kit.actors import Failures
from tests.kit.archived_study import archive, hold_another, lies_in_archive
from tests.kit.bare_node import two_stores
from tests.kit.clock import FrozenClock
from tests.kit.planting import planted

COUNT = 4


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    node = two_stores(tmp_path, clock)
    yield node
    node.close()


@pytest.fixture
def keys(node: Node, clock: FrozenClock) -> list[StudyKey]:
    """Four archived studies that came a day after the other, and are two days old at least."""
    keys = []
    for number in range(COUNT):
        keys.append(hold_another(node, number))
        archive(node, keys[-1])
        clock.advance(DAY)
    clock.advance(2 * DAY)
    return keys


def limit(node: Node, most_bytes: int, **limits: int) -> None:
    """Let the online tier be no larger than that."""
    before = get_rules(node).rules
    limits = {"pressure_percent": 100, "relieved_percent": 100, **limits}
    changed = msgspec.structs.replace(before, limits=Limits(online_bytes=most_bytes, **limits))
    change_rules(node, OPERATOR, changed)


def settle(node: Node, clock: FrozenClock) -> Pressure | None:
    """Let the actor do all there is to do now; give what it says of the pressure."""
    clock.advance(MINUTE)
    actor = Archive(Failures(), node)
    for _ in range(20):
        actor.step()
    clock.advance(RETIRED_FOR)
    retire_packs(node)
    return peek_pressure(node.database)


def hold(node: Node, key: StudyKey) -> None:
    where = (key.origin, key.study_uid)
    node.write([Statement("INSERT INTO hold VALUES (?, ?, 'teaching', 'case-1', NULL)", where)])


def gone(node: Node, keys: list[StudyKey]) -> list[bool]:
    return [lies_in_archive(node, key) for key in keys]


def problems(node: Node, kind: str) -> list[str]:
    return [
        str(row["detail"])
        for row in node.database.read("SELECT detail FROM problem WHERE kind = ? ORDER BY id", (kind,))
    ]


def test_nothing_goes_while_there_is_room(node: Node, clock: FrozenClock, keys: list[StudyKey]) -> None:
    limit(node, online_bytes(node.database))
    assert settle(node, clock) is None
    assert gone(node, keys) == [False] * COUNT


def test_the_least_recently_used_go_and_no_more_than_must(
    node: Node, clock: FrozenClock, keys: list[StudyKey]
) -> None:
    whole = online_bytes(node.database)
    read(node, keys[0], at=node.now() - 25 * 60 * MINUTE)
    limit(node, whole // 2)
    found = settle(node, clock)
    assert gone(node, keys) == [False, True, True, False]
    assert online_bytes(node.database) == whole // 2
    assert found is not None
    assert (found.short_bytes, found.freed_bytes, found.barred) == (0, whole // 2, ())
    assert found.ended_at is not None
    events = node.database.read("SELECT body FROM journal WHERE type LIKE 'study-expired%'")
    assert ['"reason":"pressure"' in str(row["body"]) for row in events] == [True, True]
    assert problems(node, "online-tier-full") == []


def read(node: Node, key: StudyKey, *, at: int) -> None:
    """Let a person have opened its images."""
    row = Statement(
        "INSERT INTO audit (id, at, person, act, subject, outcome, address)"
        " VALUES (?, ?, 'li', 'read-images', ?, 'done', '')",
        (node.new_id(), at, key.subject),
    )
    node.write([row])


def test_what_is_needed_stays_and_what_bars_is_counted_and_shown_once(
    node: Node, clock: FrozenClock, keys: list[StudyKey]
) -> None:
    hold(node, keys[0])
    read(node, keys[1], at=node.now())
    waiting = hold_another(node, COUNT)
    size = online_bytes(node.database) // (COUNT + 1)
    limit(node, 1, floor_hours=24)
    found = settle(node, clock)
    assert gone(node, [*keys, waiting]) == [False, False, True, True, False]
    assert found is not None
    assert found.short_bytes == 3 * size - 1
    assert found.ended_at is None
    assert set(found.barred) == {Bar(why=why, studies=1, bytes=size) for why in ("held", "recent", "quiet")}
    (detail,) = problems(node, "online-tier-full")
    assert "held: 1 studies" in detail
    settle(node, clock)
    assert len(problems(node, "online-tier-full")) == 1


def test_a_study_on_its_way_back_is_not_let_go_again(
    node: Node, clock: FrozenClock, keys: list[StudyKey]
) -> None:
    size = online_bytes(node.database) // COUNT
    row = Statement(
        "INSERT INTO recall (id, origin, study_uid, who, why, priority, state, instances, bytes, at, began_at)"
        " VALUES ('1', ?, ?, 'Dr. Li', 'asked', 1, 'running', 2, 9, ?, ?)",
        (keys[0].origin, keys[0].study_uid, node.now(), node.now()),
    )
    node.write([row])
    limit(node, 1)
    with node.archive.alone(f"recall-{keys[0].origin}-{keys[0].study_uid}"):
        found = settle(node, clock)
    assert gone(node, keys) == [False, True, True, True]
    assert found is not None
    assert found.barred == (Bar(why="recent", studies=1, bytes=size),)


def test_it_is_over_when_there_is_room_again(node: Node, clock: FrozenClock, keys: list[StudyKey]) -> None:
    hold(node, keys[0])
    limit(node, 1)
    found = settle(node, clock)
    assert found is not None
    assert found.ended_at is None
    node.write([Statement("DELETE FROM hold")])
    settle(node, clock)
    found = settle(node, clock)
    assert gone(node, keys) == [True] * COUNT
    assert found is not None
    assert (found.ended_at is not None, found.short_bytes) == (True, 0)


def test_a_disk_that_is_short_is_relieved_whoever_filled_it(
    node: Node, clock: FrozenClock, keys: list[StudyKey]
) -> None:
    limit(node, 1 << 60, reserve_bytes=node.packs.directory.free_bytes() + (1 << 40))
    found = settle(node, clock)
    assert gone(node, keys) == [True] * COUNT
    assert found is not None
    assert found.short_bytes > 1 << 39


def test_a_study_that_is_held_after_it_was_chosen_stays(
    node: Node, clock: FrozenClock, keys: list[StudyKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_before_the_batch(node, keys[0], monkeypatch)
    limit(node, 1)
    found = settle(node, clock)
    assert gone(node, keys) == [False, True, True, True]
    assert found is not None
    assert [bar.why for bar in found.barred] == ["failed"]
    decided = peek_decided(node.database, keys[0])
    assert decided is not None
    assert (decided.decision, decided.reason, decided.failures) == ("expire", "pressure", 1)
    assert "somebody holds it" in decided.words


def hold_before_the_batch(node: Node, key: StudyKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody hold a study between the choice and its batch."""
    choose = relieving.relieve

    def choose_then_hold(*said: object, **named: object) -> object:
        chosen = choose(*said, **named)  # type: ignore[arg-type]
        if not node.database.read("SELECT 1 AS held FROM hold"):
            hold(node, key)
        return chosen

    monkeypatch.setattr(relieving, "relieve", choose_then_hold)


def test_a_planted_hold_that_is_not_guarded_under_pressure_is_caught(
    node: Node, clock: FrozenClock, keys: list[StudyKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_before_the_batch(node, keys[0], monkeypatch)
    planted(monkeypatch, "hold-unguarded")
    limit(node, 1)
    settle(node, clock)
    assert gone(node, keys) == [True] * COUNT


def test_a_planted_floor_that_is_ignored_under_pressure_is_caught(
    node: Node, clock: FrozenClock, keys: list[StudyKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    read(node, keys[1], at=node.now())
    planted(monkeypatch, "floor-ignored")
    limit(node, 1)
    settle(node, clock)
    assert gone(node, keys) == [True] * COUNT


def test_many_go_by_steps_and_one_that_cannot_does_not_end_it(
    node: Node, clock: FrozenClock, keys: list[StudyKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relieving, "LET_GO", 1)
    monkeypatch.setattr(relieving, "LOOKED_AT", 2)
    hold_before_the_batch(node, keys[0], monkeypatch)
    limit(node, online_bytes(node.database) // 2)
    settle(node, clock)
    assert gone(node, keys) == [False, True, True, False]


def test_why_an_expiry_fails_is_kept_and_shown_after_an_hour(
    node: Node, clock: FrozenClock, keys: list[StudyKey]
) -> None:
    copies = node.database.read("SELECT stored FROM package_copy WHERE store = 'store-1'")
    for row in copies:
        node.archive.store("store-1").remove(row["stored"])  # type: ignore[arg-type]
    clock.advance(200 * DAY)
    for n in range(1, 7):
        settle(node, clock)
        decided = peek_decided(node.database, keys[0])
        assert decided is not None
        assert (decided.reason, decided.failures) == ("due", n)
        assert decided.words == (
            "Expiring a study was refused: 1 of 2 stores have its package. Look at the stores."
        )
        assert len(problems(node, "expiry-failed")) == (n == 6)


def test_a_decision_that_names_a_hold_is_read_again(
    node: Node, keys: list[StudyKey], clock: FrozenClock
) -> None:
    change_rules(node, OPERATOR, Rules(rules=(Rule(name="all", expire_after_months=1),)))
    hold(node, keys[0])
    clock.advance(60 * DAY)
    settle(node, clock)
    decided = peek_decided(node.database, keys[0])
    assert decided is not None
    assert decided.hold is not None
    assert (decided.reason, decided.hold.reason, decided.hold.who) == ("held", "teaching", "case-1")
