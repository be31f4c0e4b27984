"""What bars a deletion for good: a hold, an open case, a rule that keeps for good; up to the batch that deletes."""

from __future__ import annotations

import pytest

from node.archive.deletion.deleting import withdraw_deletion
from node.archive.lifecycle.rules import Rule, Rules
from node.archive.lifecycle.ruling import change_rules
from node.database.port import Statement
from node.errors import Conflict
from node.node import Node
from tests.kit.deleting import LIN, approve, ask, delete
from tests.kit.merging import KEY, rows_of
from tests.kit.planting import planted


def hold(node: Node, *, until: int | None = None) -> None:
    row = Statement(
        "INSERT INTO hold (origin, study_uid, reason, who, until) VALUES (?, ?, 'teaching', 'course-1', ?)",
        (KEY.origin, KEY.study_uid, until),
    )
    node.write([row])


def open_case(node: Node, state: str) -> None:
    columns = {
        "case_id": "case-1", "clinic": "alpha", "home": "alpha", "pool": "alpha/ct", "origin": KEY.origin,
        "study_uid": KEY.study_uid, "kind": "report", "urgency": "routine", "specialty": "ct", "form": "", "state": state,
        "cancelling": 0, "amended": 0, "requested_at": 1, "requested_by": "x", "due": 1, "reason": "", "claimed_by": "",
        "claimed_name": "", "claimed_at": 0, "version": 1, "cause": "c",
    }  # fmt: skip
    marks = ", ".join("?" * len(columns))
    sql = f"INSERT INTO consult_case ({', '.join(columns)}) VALUES ({marks})"
    node.write([Statement(sql, tuple(columns.values()))])


def test_a_hold_bars_asking_and_approving(node: Node) -> None:
    asked = ask(node)
    hold(node)
    with pytest.raises(Conflict, match="holds it"):
        approve(node, asked)
    withdraw_deletion(node, LIN, asked.id)
    with pytest.raises(Conflict, match="holds it"):
        ask(node)
    assert len(rows_of(node)) == 6


def test_a_hold_that_comes_between_looking_and_writing_bars_the_batch(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask(node)
    monkeypatch.setattr("node.archive.deletion.barring.barred_by", lambda *_arguments, **_named: "")
    hold(node)
    with pytest.raises(Conflict, match="somebody holds it"):
        approve(node, asked)
    assert len(rows_of(node)) == 6


def test_a_planted_hold_that_deletion_ignores_is_caught(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(node)
    hold(node)
    planted(monkeypatch, "deletion-hold-ignored")
    approve(node, asked)
    assert rows_of(node) == []


def test_a_hold_that_is_over_bars_nothing(node: Node) -> None:
    hold(node, until=node.now() - 1)
    delete(node)
    assert rows_of(node) == []


@pytest.mark.parametrize("state", ["requested", "offered", "claimed"])
def test_an_open_case_bars_it(node: Node, state: str) -> None:
    asked = ask(node)
    open_case(node, state)
    with pytest.raises(Conflict, match="case about it is open"):
        approve(node, asked)


def test_a_case_that_is_closed_goes_with_the_study(node: Node) -> None:
    open_case(node, "declined")
    delete(node)
    assert node.database.read("SELECT case_id FROM consult_case") == []


def test_a_rule_that_keeps_for_good_bars_it(node: Node) -> None:
    asked = ask(node)
    change_rules(node, LIN, Rules(rules=(Rule(name="court", retention="legal hold"),)))
    with pytest.raises(Conflict, match="keeps it for good"):
        approve(node, asked)
