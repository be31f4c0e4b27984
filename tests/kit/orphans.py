"""Stores looked through for orphans, all their jobs at once and in their order, as a worker does."""

from __future__ import annotations

import json
from itertools import count

from node.archive.orphans import JOB, look_for_orphans
from node.database.port import Statement, text
from node.node import Node

_days = count(1)
"""Each look is of another day, however little time passed in between."""


def look_through(node: Node) -> int:
    """Let each store be looked through to its end; give how many jobs that took."""
    day = next(_days)
    for store in node.archive.stores:
        look_for_orphans(node, store=store.name, after="", day=day, tries=0)
    return len(node.archive.stores) + run_asked(node)


def run_asked(node: Node) -> int:
    """Run the jobs that are asked for, and those that they ask for; give how many there were."""
    ran = 0
    while rows := node.database.read("SELECT id, args FROM job WHERE name = ? AND state = 'waiting'", (JOB,)):
        for row in rows:
            node.write([Statement("UPDATE job SET state = 'done' WHERE id = ?", (text(row, "id"),))])
            look_for_orphans(node, **json.loads(text(row, "args")))
            ran += 1
    return ran
