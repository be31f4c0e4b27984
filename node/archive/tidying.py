"""What no study means any more, looked for once in a while: older packages, packs of repeats, orphans in stores; certificates that say too little."""

from __future__ import annotations

from node.archive.deletion.recertifying import recertify
from node.archive.orphans import ask_for_orphans
from node.archive.superseding import supersede_some
from node.catalogue.superfluous import retire_repeats
from node.clock import MINUTE, Micros
from node.node import Node

SUPERSEDED_EVERY: Micros = 5 * MINUTE
REPEATS_EVERY: Micros = 60 * MINUTE
CERTIFIED_EVERY: Micros = 60 * MINUTE
ORPHANS_EVERY: Micros = 24 * 60 * MINUTE


class Tidying:
    """When each was looked for last; that may be lost, then it is looked for sooner."""

    def __init__(self, node: Node) -> None:
        self._node = node
        now = node.now()
        self._due = {
            "superseded": now,
            "repeats": now + MINUTE,
            "orphans": now + 10 * MINUTE,
            "certified": now + 2 * MINUTE,
        }
        self._after = ""

    def step(self) -> None:
        """Do what is due."""
        if self._is_due("superseded", SUPERSEDED_EVERY):
            supersede_some(self._node)
        if self._after or self._is_due("repeats", REPEATS_EVERY):
            self._after = retire_repeats(self._node, after=self._after)
        if self._is_due("certified", CERTIFIED_EVERY):
            recertify(self._node)
        if self._is_due("orphans", ORPHANS_EVERY):
            ask_for_orphans(self._node)

    def _is_due(self, what: str, every: Micros) -> bool:
        now = self._node.now()
        if now < self._due[what] <= now + every:
            return False
        self._due[what] = now + every
        return True
