"""What time does to cases at home: claims lapse, deadlines pass. Run by `actors.consult`; due times are rows."""

from __future__ import annotations

from collections.abc import Sequence

from federation.consult import cases
from federation.consult.answering import tell_clinic
from federation.consult.claims import due_claims
from federation.consult.deciding import decide_and_write
from federation.consult.home import happen, load_home
from node.clock import Micros
from node.database.port import Statement, integer, text
from node.node import Node


def lapse_claims(node: Node) -> int:
    """End the claims whose time has passed; gives how many there were.

    One that is renewed or signed in this moment is left alone: its batch finds it changed.
    """
    due = due_claims(node.database, node.now())
    return sum(_home_step(node, claim.case_id, cases.Lapse(epoch=claim.epoch)) for claim in due)


def pass_deadlines(node: Node) -> int:
    """Note the open cases that were not answered in time, once each; gives how many."""
    rows = node.database.read(
        "SELECT case_id FROM consult_case WHERE home = ? AND state IN ('offered', 'claimed') AND due <= ?"
        " AND overdue = 0 ORDER BY due LIMIT 500",
        (node.id, node.now()),
    )
    return sum(_home_step(node, text(row, "case_id"), cases.PassDeadline()) for row in rows)


def next_due(node: Node) -> Micros | None:
    """Give when the next claim lapses or deadline passes; None when nothing is due."""
    rows = node.database.read(
        "SELECT min(due) AS due FROM (SELECT min(until) AS due FROM claim UNION ALL"
        " SELECT min(due) FROM consult_case"
        " WHERE home = ? AND state IN ('offered', 'claimed') AND overdue = 0)",
        (node.id,),
    )
    return None if rows[0]["due"] is None else integer(rows[0], "due")


def _home_step(node: Node, case_id: str, command: cases.Command) -> bool:
    """Decide a clock's command and write what it means; False when it changed nothing."""

    def attempt() -> tuple[Sequence[Statement], bool]:
        case = load_home(node, case_id)
        events = cases.decide(case.state, command, node.now())
        if not events:
            return (), False
        happened = happen(node, case, events)
        return [*happened.statements, *tell_clinic(node, happened)], True

    return decide_and_write(node, attempt)
