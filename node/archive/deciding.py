"""What is decided of studies' copies, written down and done: in the list of what is looked at again, and when.

A decision is taken on what is known then. What it leads to carries its own guards, so that a study that changed meanwhile
is left alone and looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import msgspec

from node.archive.archiving import QUEUE
from node.archive.decisions import Archive, Decision, Expire, Keep, MayBeDeleted, Reason
from node.archive.deleting import delete_by_rule
from node.archive.expiring import expire_study
from node.archive.facts import steady
from node.archive.known import read_facts
from node.archive.lifecycle import decide
from node.archive.ruling import effective_rules
from node.canonical import canonical_json
from node.clock import MINUTE, Micros
from node.database.port import Statement, integer, text
from node.errors import GridError
from node.journal.jobs import enqueue
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node

AT_ONCE = 50
AGAIN: Micros = 10 * MINUTE
"""After something stood in the way, or was asked for and is not done yet."""


def look_again(node: Node, keys: Iterable[StudyKey]) -> list[Statement]:
    """Give the statements by which studies are looked at next, whatever was decided before."""
    return [
        Statement(
            "INSERT INTO lifecycle (origin, study_uid, decision, reason, figures, decided_at, next_at)"
            " VALUES (?, ?, 'new', '', '{}', ?, ?)"
            " ON CONFLICT (origin, study_uid) DO UPDATE SET next_at = excluded.next_at",
            (key.origin, key.study_uid, node.now(), node.now()),
        )
        for key in dict.fromkeys(keys)
    ]


def decide_due(node: Node) -> Micros | None:
    """Decide about studies whose time has come, some at a time; give when the next one's does, None without one."""
    rows = node.database.read(
        "SELECT origin, study_uid FROM lifecycle WHERE next_at <= ? ORDER BY next_at LIMIT ?",
        (node.now(), AT_ONCE),
    )
    rules = effective_rules(node) if rows else None
    for row in rows:
        key = StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
        facts = read_facts(node, key)
        if facts is None or rules is None:
            node.write([_forgotten(key)])
            continue
        _act(node, key, decide(facts, rules, now=_now(node)))
    (next_,) = node.database.read("SELECT min(next_at) AS at FROM lifecycle WHERE next_at IS NOT NULL")
    return None if next_["at"] is None else integer(next_, "at")


def _act(node: Node, key: StudyKey, decision: Decision) -> None:
    match decision:
        case Archive():
            version = node.journal.version(key.subject)
            args: dict[str, str | int] = {
                "origin": key.origin, "study_uid": key.study_uid, "profile": decision.profile,
            }  # fmt: skip
            name = f"archive/{key.origin}/{key.study_uid}/{version}/{node.now() // (60 * MINUTE)}"
            job = enqueue(
                "archive_study", args, key=name, cause=Cause(node.new_id()), now=node.now(), queue=QUEUE
            )
            node.write([job, _noted(node, key, "archive", decision.reason, next_at=node.now() + AGAIN)])
        case Expire():
            _expire(node, key, decision)
        case Keep():
            node.write([_noted(node, key, "keep", decision.reason, next_at=decision.next_at)])
        case MayBeDeleted():
            node.write([_noted(node, key, "may-be-deleted", decision.reason, next_at=None)])
            if decision.by_rule:
                _delete(node, key, decision)
        case _:
            assert_never(decision)


def _expire(node: Node, key: StudyKey, decision: Expire) -> None:
    try:
        expire_study(node, key, reason=decision.reason.code)
        next_at: Micros | None = node.now()
    except GridError:
        next_at = node.now() + AGAIN
    node.write([_noted(node, key, "expire", decision.reason, next_at=next_at)])


def _delete(node: Node, key: StudyKey, decision: MayBeDeleted) -> None:
    """Delete a study whose rule says so; what stands in the way is looked at again."""
    try:
        delete_by_rule(node, key)
    except GridError:
        node.write([_noted(node, key, "may-be-deleted", decision.reason, next_at=node.now() + AGAIN)])


def _noted(node: Node, key: StudyKey, decision: str, reason: Reason, *, next_at: Micros | None) -> Statement:
    figures = msgspec.to_builtins({**reason.figures, "rule": reason.rule})
    if reason.hold is not None:
        figures |= {"hold": reason.hold.reason, "who": reason.hold.who}
    return Statement(
        "INSERT INTO lifecycle (origin, study_uid, decision, reason, figures, decided_at, next_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (origin, study_uid) DO UPDATE SET decision = excluded.decision,"
        " reason = excluded.reason, figures = excluded.figures, decided_at = excluded.decided_at,"
        " next_at = excluded.next_at",
        (key.origin, key.study_uid, decision, reason.code, canonical_json(figures), node.now(), next_at),
    )


def _forgotten(key: StudyKey) -> Statement:
    return Statement("DELETE FROM lifecycle WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid))


def _now(node: Node) -> Micros:
    """Give the time to decide by: never before the newest that was written down."""
    rows = node.database.read("SELECT at FROM journal ORDER BY seq DESC LIMIT 1")
    return steady(node.now(), newest=integer(rows[0], "at") if rows else 0)
