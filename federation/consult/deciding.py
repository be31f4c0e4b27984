"""Decide on what was read, write, and decide anew when somebody was faster.

A conflict in the batch means only that something moved between reading and
writing. Deciding again on what is there now either succeeds or says in the
decider's own words why not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from node.database.port import Statement
from node.errors import Conflict, Unavailable
from node.node import Node

T = TypeVar("T")
ATTEMPTS = 40


def decide_and_write(node: Node, decide: Callable[[], tuple[Sequence[Statement], T]]) -> T:
    """Run ``decide`` until its statements could be written; none means that there is nothing to write.

    Raises
    ------
    Unavailable
        The subject kept moving; the same request may succeed now.
    """
    for _ in range(ATTEMPTS):
        statements, outcome = decide()
        if not statements:
            return outcome
        try:
            node.write(statements)
        except Conflict:
            continue
        return outcome
    raise Unavailable("Changing the case failed: others keep changing it at the same time. Try again.")
