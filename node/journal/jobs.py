"""Durable jobs as rows, written in the batch of the event that asks for them.

Who runs them is `actors.jobs`; this says only what is to be done, so that a
command of any package can ask.
"""

from __future__ import annotations

from node.canonical import canonical_json
from node.clock import Micros
from node.database.port import Statement
from node.names import Cause


def enqueue(
    name: str,
    args: dict[str, str | int],
    *,
    key: str,
    cause: Cause,
    now: Micros,
    not_before: Micros = 0,
    queue: str = "default",
    priority: int = 5,
) -> Statement:
    """Give the statement that asks for a job once per key; asking again changes nothing."""
    return Statement(
        "INSERT INTO job (id, queue, name, args, cause, state, priority, not_before, at)"
        " VALUES (?, ?, ?, ?, ?, 'waiting', ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (key, queue, name, canonical_json(args), cause, priority, not_before, now),
    )
