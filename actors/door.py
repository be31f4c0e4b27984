"""Opens the door for newcomers while an invitation is open, and shuts it.

Reads: invitations. Tells: nobody. Writes: what a newcomer's request asks, through `federation.joining`.
"""

from __future__ import annotations

from actors.base import Failed, Follower
from federation.transport.joining import JoinDoor, join_address
from node.node import Node


class Door(Follower):
    """Only at a node that listens for peers."""

    NAME = "door"
    POLL_S = 30.0
    SPACING_S = 0.5

    def __init__(self, failed: Failed, node: Node) -> None:
        super().__init__(failed)
        self._door = JoinDoor(node, address=join_address(node.config.alliance))

    def step(self) -> float | None:
        """Open or shut, as invitations say."""
        self._door.look()
        return None

    def on_stop(self) -> None:
        """Leave no listener behind."""
        self._door.close()
