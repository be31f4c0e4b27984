"""Opens the door for newcomers while an invitation stands, and shuts it after.

Reads: invitations. Tells: nobody. Writes: nothing; requests are kept by `federation.joining`.
"""

from __future__ import annotations

from types import TracebackType

from actors.base import Failed, Follower
from federation.transport.joining import JoinDoor, join_address
from node.node import Node


class Door(Follower):
    """One per node that listens."""

    NAME = "door"
    SPACING_S = 0.5

    def __init__(self, failed: Failed, node: Node) -> None:
        super().__init__(failed)
        self._door = JoinDoor(node, address=join_address(node.config.alliance))

    def step(self) -> float | None:
        """Open or shut it."""
        self._door.look()
        return None

    def on_stop(self) -> None:
        """Shut it."""
        self._door.close()

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._door.close()
        super().on_failure(exception_type, exception_value, traceback)
