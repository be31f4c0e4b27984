"""A study deleted for good: who asks, who approves, what a request stands for, when a rule does it by itself; then nothing of it is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from node.archive.deciding import decide_due, look_again
from node.archive.deletion.deleting import STANDS, ask_deletion, delete_by_rule, withdraw_deletion
from node.archive.deletion.deletions import deletions_of, get_deletion, steps_of
from node.archive.deletion.forgetting import TABLES
from node.archive.lifecycle.periods import DAY
from node.archive.lifecycle.rules import Rule, Rules
from node.archive.lifecycle.ruling import change_rules
from node.catalogue.search import peek_study
from node.database.port import Statement
from node.errors import Conflict, FieldMissing, NotFound, Refused
from node.node import Node
from node.people.accounts import OPERATOR, Person
from ops.verify import verify
from tests.kit.archived_study import archive, expire, slices
from tests.kit.clock import FrozenClock
from tests.kit.deleting import LIN, WANG, approve, ask, erase_all, packages_of
from tests.kit.merging import KEY, associate, complete, ingest, rows_of
from tests.kit.people import TECHNICIAN
from tests.kit.planting import planted

YEARS_31 = 31 * 366 * DAY


def left_of(node: Node) -> dict[str, int]:
    """Count the rows that any table of studies still has of it."""
    found = {
        table: len(node.database.read(f"SELECT 1 AS one FROM {table} WHERE study_uid = ?", (KEY.study_uid,)))
        for table in ("study", "study_answer", *TABLES)
    }
    return {table: count for table, count in found.items() if count}


def test_two_administrators_delete_a_study_and_nothing_of_it_is_left(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    archive(node)
    assert len(packages_of(tmp_path)) == 2
    asked = ask(node)
    assert peek_study(node.database, KEY) is not None
    deleted = approve(node, asked)
    assert (deleted.state, left_of(node), rows_of(node)) == ("deleted", {}, [])
    assert list(verify(node)) == []
    done = erase_all(node, deleted, clock)
    assert [step for step in steps_of(node.database, done.id) if step.state != "done"] == []
    assert (done.state, packages_of(tmp_path), node.packs.names()) == ("done", [], [])
    assert list(verify(node)) == []


def test_one_who_asked_does_not_approve(node: Node) -> None:
    asked = ask(node)
    with pytest.raises(Refused, match="Another administrator"):
        approve(node, asked, by=WANG)
    assert len(rows_of(node)) == 6


def test_a_planted_administrator_who_approves_what_she_asked_is_caught(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask(node)
    planted(monkeypatch, "one-administrator-twice")
    approve(node, asked, by=WANG)
    assert rows_of(node) == []


@pytest.mark.parametrize("by", [TECHNICIAN, OPERATOR])
def test_nobody_else_asks_or_approves(node: Node, by: Person) -> None:
    with pytest.raises(Refused):
        ask(node, by=by)
    asked = ask(node)
    with pytest.raises(Refused):
        approve(node, asked, by=by)


def test_a_request_counts_for_what_was_seen(node: Node) -> None:
    asked = ask(node)
    associate(node, slices(7)[6])
    ingest(node)
    complete(node)
    with pytest.raises(Conflict, match="instances came or went"):
        approve(node, asked)


def test_a_request_stands_for_seven_days_and_then_another_may_be_made(node: Node, clock: FrozenClock) -> None:
    asked = ask(node)
    with pytest.raises(Conflict, match="somebody has asked already"):
        ask(node, by=LIN)
    clock.advance(STANDS)
    with pytest.raises(Conflict, match="does not stand any more"):
        approve(node, asked)
    again = ask(node)
    assert get_deletion(node.database, asked.id).state == "lapsed"
    approve(node, again)


def test_what_was_withdrawn_is_not_approved(node: Node) -> None:
    asked = ask(node)
    withdraw_deletion(node, LIN, asked.id)
    with pytest.raises(Conflict):
        approve(node, asked)
    with pytest.raises(Conflict):
        withdraw_deletion(node, LIN, asked.id)


def test_who_approves_types_how_many_instances_go(node: Node) -> None:
    asked = ask(node)
    with pytest.raises(FieldMissing):
        approve(node, replace(asked, instances=5))
    assert len(rows_of(node)) == 6


@pytest.mark.parametrize("words", ["", "  ", "x" * 1001, "Zhang San asked", "of a-17"])
def test_a_reason_is_given_and_names_no_patient(node: Node, words: str) -> None:
    with pytest.raises(FieldMissing):
        ask_deletion(node, WANG, KEY, code="test", words=words)
    with pytest.raises(FieldMissing):
        ask_deletion(node, WANG, KEY, code="whim", words="a reason")


def test_time_that_is_not_over_is_no_reason(node: Node, clock: FrozenClock) -> None:
    archive(node)
    with pytest.raises(Conflict, match="its time is not over"):
        ask(node, code="retention-over")
    clock.advance(YEARS_31)
    approve(node, ask(node, code="retention-over"))
    assert rows_of(node) == []


def test_a_rule_deletes_by_itself_when_time_is_over_and_only_then(node: Node, clock: FrozenClock) -> None:
    archive(node)
    change_rules(node, LIN, Rules(rules=(Rule(name="short", retention="15y", deletes=True),)))
    with pytest.raises(Conflict, match="no rule deletes it"):
        delete_by_rule(node, KEY)
    node.write(look_again(node, [KEY]))
    expire(node, clock)
    clock.advance(YEARS_31)
    decide_due(node)
    (found,) = deletions_of(node.database, KEY)
    assert (found.state, found.asked_name, rows_of(node)) == ("deleted", "rule short", [])


def test_a_rule_without_that_word_deletes_nothing(node: Node, clock: FrozenClock) -> None:
    archive(node)
    expire(node, clock)
    clock.advance(YEARS_31)
    node.write(look_again(node, [KEY]))
    decide_due(node)
    assert len(rows_of(node)) == 6


def test_a_study_of_another_hospital_is_deleted_there(node: Node) -> None:
    node.write([Statement("UPDATE study SET state = state")])
    foreign = replace(KEY, origin="beta")  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        ask(node, foreign)
