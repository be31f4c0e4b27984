"""Studies that a rebuild marked stay marked until an administrator has looked at them and settles it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.catalogue.search import get_study
from node.catalogue.unsettled import settle_corrections, unsettled_studies
from node.clock import MINUTE
from node.errors import NotFound, Refused
from node.people.accounts import OPERATOR
from ops.cli import app
from tests.kit.clock import NOON
from tests.kit.http import Answer
from tests.kit.lost_index import (
    TickingClock,
    key,
    lose_blocks,
    lose_database,
    opened,
    rebuilt,
    seal,
    send,
    slice_,
    until_of,
)
from tests.kit.people import TECHNICIAN
from tests.kit.planting import planted
from tests.kit.site import add_quickly, open_site

run = CliRunner()


def test_an_administrator_settles_what_she_has_looked_at(state: Path, clock: TickingClock) -> None:
    lose_database(state)
    lose_blocks(state)
    rebuilt(state, clock)
    node = opened(state, clock)
    with pytest.raises(Refused):
        settle_corrections(node, TECHNICIAN, [key(1)])
    settle_corrections(node, OPERATOR, [key(1)])
    assert [one.study_uid for one, _ in unsettled_studies(node.database) if one == key(1)] == []
    assert node.database.read("SELECT subject FROM audit WHERE act = 'settle-corrections'") == [
        {"subject": key(1).subject}
    ]
    with pytest.raises(NotFound):
        settle_corrections(node, OPERATOR, [key(1)])
    node.close()
    assert run.invoke(app, ["corrections", "list", str(state)]).output.endswith("11 studies.\n")
    assert "Settled 1 study" in run.invoke(app, ["corrections", "settle", str(state), "2.25.2"]).output
    assert "Settled 10 studies" in run.invoke(app, ["corrections", "settle", str(state), "--all"]).output
    node = opened(state, clock)
    assert set(until_of(node).values()) == {None}
    node.close()


def test_only_an_administrator_settles_over_http(state: Path, clock: TickingClock) -> None:
    lose_database(state)
    lose_blocks(state)
    rebuilt(state, clock)
    node = opened(state, clock)
    with open_site(node) as site:
        technician = site.signed_in(add_quickly(node, "li", "technician"))
        administrator = site.signed_in(add_quickly(node, "root", "administrator"))
        listed = technician.get("/api/studies")["items"]
        assert {one["correctionsUntil"] for one in listed} == {0}
        with pytest.raises(Answer) as refused:
            technician.post("/api/unsettled/alpha/2.25.3")
        assert refused.value.status == 403
        assert administrator.post("/api/unsettled/alpha/2.25.3") == {"studies": 1, "left": 11}
        assert technician.get("/api/studies/alpha/2.25.3")["study"]["correctionsUntil"] is None
        assert (
            administrator.get("/api/unsettled")["studies"],
            technician.get("/api/unsettled")["studies"],
        ) == (11, 11)
        assert {one["studyUid"] for one in technician.get("/api/unsettled")["items"]} == {
            f"2.25.{n}" for n in range(1, 13) if n != 3
        }
        assert administrator.get("/api/unsettled")["items"] == []
        with pytest.raises(Answer) as refused:
            technician.post("/api/unsettled", {"studies": 11})
        assert refused.value.status == 403
        assert administrator.post("/api/unsettled", {"studies": 11}) == {"studies": 11, "left": 0}
        events = technician.get("/api/studies/alpha/2.25.3/story")["events"]
        assert "settled" in {one["what"] for one in events}
    node.close()


def test_a_mark_stays_when_an_earlier_instance_comes(state: Path, clock: TickingClock) -> None:
    lose_database(state)
    lose_blocks(state)
    rebuilt(state, clock)
    early = TickingClock(NOON - 60 * MINUTE)
    node = opened(state, early)
    send(node, early, 2, slice_(2, 5))
    assert get_study(node.database, key(2)).corrections_until == 0
    node.close()


def test_a_mark_outlives_a_later_rebuild_and_so_does_that_it_was_settled(
    state: Path, clock: TickingClock
) -> None:
    lose_database(state)
    lose_blocks(state)
    rebuilt(state, clock)
    node = opened(state, clock)
    settle_corrections(node, OPERATOR, [key(1)])
    seal(node, clock)
    node.close()
    lose_database(state)
    done = rebuilt(state, clock)
    assert (done.journal.fault, done.doubt.marked) == ("", 11)
    node = opened(state, clock)
    assert {uid: until for uid, until in until_of(node).items() if until is None} == {"2.25.1": None}
    assert set(until_of(node).values()) == {None, 0}
    node.close()


def test_a_planted_forgetting_of_marks_is_caught(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-forgets-marks")
    with pytest.raises((AssertionError, NotFound)):
        test_a_mark_outlives_a_later_rebuild_and_so_does_that_it_was_settled(state, clock)
