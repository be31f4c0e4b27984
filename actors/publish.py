"""Keeps the receiver's rules file as the table says it.

Reads: devices, and from which hospitals studies are here. Writes: the rules file,
where it says something else: a crash came between the two, or another hospital's
first study has come and gets an AE title. Tells: nobody.
"""

from __future__ import annotations

from actors.base import Failed, Follower
from node.dimse.admission import republish_rules
from node.node import Node


class Publish(Follower):
    """One per node; two are safe."""

    NAME = "publish"
    POLL_S = 60.0
    SPACING_S = 5.0

    def __init__(self, failed: Failed, node: Node) -> None:
        super().__init__(failed)
        self._node = node

    def step(self) -> float | None:
        """Publish anew where the file says something else."""
        republish_rules(self._node)
        return None
