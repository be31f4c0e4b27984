"""When worklists are asked, about which day, and that it is once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from node.archive.lifecycle.periods import DAY
from node.clock import MINUTE, SECOND
from node.dimse.remote_form import RemoteForm
from node.dimse.remotes import add_remote, change_remote
from node.hospital.looking_ahead import EVERY, LookingAhead, look_ahead
from node.hospital.looks import DONE, FAILED, Look, latest_due, list_looks, local_now, next_due, note_look
from node.node import Node
from node.people.accounts import OPERATOR
from tests.kit.clock import FrozenClock

TIMES = ("18:00", "05:00")
SHANGHAI = ZoneInfo("Asia/Shanghai")
RIS = RemoteForm(name="RIS", aet="RIS", host="127.0.0.1", port=1, worklist=True)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("now", "came", "day"),
    [
        ("2026-11-30T18:00", "2026-11-30T18:00", "2026-12-01"),
        ("2026-11-30T17:59", "2026-11-30T05:00", "2026-11-30"),
        ("2026-12-01T04:59", "2026-11-30T18:00", "2026-12-01"),
        ("2026-12-31T23:00", "2026-12-31T18:00", "2027-01-01"),
    ],
)
def test_the_newest_look_whose_time_has_come_is_due(now: str, came: str, day: str) -> None:
    due = latest_due(at(now), TIMES)
    assert due is not None
    assert (due.at, due.day) == (at(came), date.fromisoformat(day))


@pytest.mark.parametrize(
    ("now", "comes"),
    [("2026-11-30T18:00", "2026-12-01T05:00"), ("2026-11-30T17:59", "2026-11-30T18:00")],
)
def test_the_next_look_is_said(now: str, comes: str) -> None:
    assert next_due(at(now), TIMES) == at(comes)


def test_without_times_nothing_is_due() -> None:
    assert latest_due(at("2026-11-30T18:00"), ()) is None
    assert next_due(at("2026-11-30T18:00"), ()) is None


def test_the_day_is_that_of_the_hospitals_zone(node: Node) -> None:
    assert local_now(node).tzinfo == SHANGHAI
    assert local_now(node) == datetime.fromtimestamp(node.now() / SECOND, UTC)


def jobs(node: Node) -> list[str]:
    return [str(row["id"]) for row in node.database.read("SELECT id FROM job ORDER BY id")]


def test_each_look_is_asked_for_once_and_only_of_those_that_have_a_worklist(
    node: Node, clock: FrozenClock
) -> None:
    add_remote(node, OPERATOR, RemoteForm(name="PACS", aet="PACS", host="127.0.0.1", port=1, query=True))
    ris = add_remote(node, OPERATOR, RIS)
    for _ in range(3):
        LookingAhead(node).step()
    assert len(jobs(node)) == 1
    assert ris.id in jobs(node)[0]
    looking = LookingAhead(node)
    for _ in range(24):
        looking.step()
        clock.advance(60 * MINUTE)
    assert len(jobs(node)) == 3, "one in the evening, one in the morning"


def test_it_is_looked_at_most_once_a_minute(node: Node, clock: FrozenClock) -> None:
    looking = LookingAhead(node)
    looking.step()
    add_remote(node, OPERATOR, RIS)
    looking.step()
    assert jobs(node) == []
    clock.advance(EVERY)
    looking.step()
    assert len(jobs(node)) == 1


def test_a_clock_that_is_set_back_stops_nothing(node: Node, clock: FrozenClock) -> None:
    looking = LookingAhead(node)
    looking.step()
    add_remote(node, OPERATOR, RIS)
    clock.advance(-400 * DAY)
    looking.step()
    assert len(jobs(node)) == 1


def test_a_day_that_is_over_and_one_that_was_switched_off_are_let_go(node: Node) -> None:
    ris = add_remote(node, OPERATOR, RIS)
    yesterday = local_now(node).date().fromordinal(local_now(node).date().toordinal() - 1)
    look_ahead(node, remote=ris.id, day=yesterday.isoformat())
    change_remote(node, OPERATOR, ris.id, RemoteForm(name="RIS", aet="RIS", host="127.0.0.1", port=1))
    look_ahead(node, remote=ris.id, day=local_now(node).date().isoformat())
    look_ahead(node, remote="gone", day=local_now(node).date().isoformat())
    assert list_looks(node.database, ris.id) == []


def note(node: Node, look: Look) -> None:
    node.write(note_look(replace(look, at=node.now())))


def test_what_came_of_a_day_is_counted_on_and_kept_for_two_months(node: Node, clock: FrozenClock) -> None:
    day = Look(remote="r", day="2026-12-01", at=0, state=DONE)
    note(node, replace(day, patients=30, known=12, studies=9, unreadable=1))
    clock.advance(MINUTE)
    note(node, replace(day, state=FAILED, words="away"))
    clock.advance(DAY)
    note(node, replace(day, patients=31, known=12, studies=2))
    (found,) = list_looks(node.database, "r")
    assert found == replace(day, at=node.now(), patients=31, known=12, studies=11)
    clock.advance(59 * DAY)
    note(node, replace(day, day="2027-01-30"))
    assert [one.day for one in list_looks(node.database, "r")] == ["2027-01-30", "2026-12-01"]
    clock.advance(2 * DAY)
    note(node, replace(day, day="2027-02-01"))
    assert [one.day for one in list_looks(node.database, "r")] == ["2027-02-01", "2027-01-30"]
