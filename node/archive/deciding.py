"""What is decided of studies' copies, written down and done: in the list of what is looked at again, and when.

A decision is taken on what is known then. What it leads to carries its own guards, so that a study that changed meanwhile
is left alone and looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

import msgspec

from node.archive.deletion.deleting import delete_by_rule
from node.archive.expiring import expire_study
from node.archive.lifecycle.decider import decide
from node.archive.lifecycle.decisions import Archive, Decision, Expire, Keep, MayBeDeleted, Reason
from node.archive.lifecycle.facts import steady
from node.archive.lifecycle.known import read_facts
from node.archive.lifecycle.ruling import effective_rules
from node.archive.shown import is_shown
from node.archive.tier import QUEUE
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


FAILURES_SHOWN = 6
"""In a row, ten minutes apart."""
EXPIRY = "archive/expiry"
"""What a problem of letting go is about: a store that is away stands in the way of thousands of studies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Why what was decided could not be done, and how often in a row."""

    text: str = ""
    failures: int = 0


NO_WORDS = Words()


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
        _act(node, key, decide(facts, rules, now=time_to_decide(node)))
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
            expire_decided(node, key, decision)
        case Keep():
            node.write([_noted(node, key, "keep", decision.reason, next_at=decision.next_at)])
        case MayBeDeleted():
            node.write([_noted(node, key, "may-be-deleted", decision.reason, next_at=None)])
            if decision.by_rule:
                _delete(node, key, decision)
        case _:
            assert_never(decision)


def expire_decided(node: Node, key: StudyKey, decision: Expire) -> bool:
    """Let a study's online copy go as decided; say whether it went. Why it did not is kept, and shown when it stays so."""
    try:
        expire_study(node, key, reason=decision.reason.code)
    except GridError as error:
        _failed(node, key, decision.reason, error)
        return False
    node.write([_noted(node, key, "expire", decision.reason, next_at=node.now())])
    return True


def _delete(node: Node, key: StudyKey, decision: MayBeDeleted) -> None:
    """Delete a study whose rule says so; what stands in the way is looked at again."""
    try:
        delete_by_rule(node, key)
    except GridError:
        node.write([_noted(node, key, "may-be-deleted", decision.reason, next_at=node.now() + AGAIN)])


def time_to_decide(node: Node) -> Micros:
    """Give the time to decide by: never before the newest that was written down."""
    rows = node.database.read("SELECT at FROM journal ORDER BY seq DESC LIMIT 1")
    return steady(node.now(), newest=integer(rows[0], "at") if rows else 0)


def _failed(node: Node, key: StudyKey, reason: Reason, error: GridError) -> None:
    """Keep why a study's online copy did not go, and tell the administrator when it has not for an hour; of many, once."""
    rows = node.database.read(
        "SELECT failures FROM lifecycle WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )
    failures = 1 + (integer(rows[0], "failures") if rows else 0)
    words = Words(text=error.message, failures=failures)
    statements = [_noted(node, key, "expire", reason, next_at=node.now() + AGAIN, words=words)]
    if failures >= FAILURES_SHOWN and not is_shown(node.database, "expiry-failed", EXPIRY):
        detail = (
            f"Letting online copies go fails: that of study {key.origin}/{key.study_uid} did not go {failures} times in a"
            f" row, and others may not. {error.message}"
        )
        statements += node.problem("expiry-failed", about=EXPIRY, detail=detail, cause=Cause(node.new_id()))
    node.write(statements)


def _noted(
    node: Node,
    key: StudyKey,
    decision: str,
    reason: Reason,
    *,
    next_at: Micros | None,
    words: Words = NO_WORDS,
) -> Statement:
    figures = msgspec.to_builtins({**reason.figures, "rule": reason.rule})
    if reason.hold is not None:
        figures["hold"] = msgspec.to_builtins(reason.hold)
    return Statement(
        "INSERT INTO lifecycle (origin, study_uid, decision, reason, figures, decided_at, next_at, words, failures)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (origin, study_uid) DO UPDATE SET decision = excluded.decision,"
        " reason = excluded.reason, figures = excluded.figures, decided_at = excluded.decided_at,"
        " next_at = excluded.next_at, words = excluded.words, failures = excluded.failures",
        (
            key.origin, key.study_uid, decision, reason.code, canonical_json(figures), node.now(), next_at,
            words.text, words.failures,
        ),
    )  # fmt: skip


def _forgotten(key: StudyKey) -> Statement:
    return Statement("DELETE FROM lifecycle WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid))
