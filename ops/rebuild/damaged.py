"""Packs of which the journal says that records were damaged: compared again, so that none of those is served.

What is damaged no rows say any more, and registering reads heads alone. All other packs the scrub compares, from its beginning.
"""

from __future__ import annotations

from contextlib import suppress

from node.archive.scrub.damage import look_at
from node.database.port import text
from node.errors import GridError
from node.failpoints import planted
from node.node import Node

_KINDS = ("damaged-record", "scrub-lost", "damaged-pack")


def look_at_suspects(node: Node) -> int:
    """Compare packs that were found damaged once and that rows mean; give how many are."""
    rows = node.database.read(
        "SELECT DISTINCT substr(subject, 6) AS pack FROM problem WHERE kind IN (?, ?, ?) AND subject LIKE 'pack/%'"
        " AND EXISTS (SELECT 1 FROM online_instance AS one WHERE one.pack = substr(subject, 6)) ORDER BY 1",
        _KINDS,
    )
    damaged = 0
    for row in [] if planted("rebuild-trusts-all") else rows:
        with suppress(GridError):
            damaged += look_at(node, text(row, "pack"))
    return damaged
