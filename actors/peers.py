"""One `Sync` for each peer of the roster as it stands: they come and go with its statements.

Reads: the roster. Tells: the supervisor. Writes: nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pykka

from actors.base import Failed, Follower
from actors.reach import Reach
from actors.supervisor import Supervisor
from actors.sync import Carriers, Sync
from federation.current_roster import Rosters
from federation.transport.port import Transport
from node.names import NodeId
from node.node import Node


class Peers(Follower):
    """Follows the roster."""

    NAME = "peers"
    POLL_S = 30.0
    SPACING_S = 0.5

    def __init__(
        self,
        failed: Failed,
        node: Node,
        *,
        supervisor: Supervisor,
        rosters: Rosters,
        transport: Transport,
        reach: Reach,
        carriers: Carriers,
    ) -> None:
        super().__init__(failed)
        self._node = node
        self._supervisor = supervisor
        self._rosters = rosters
        self._transport = transport
        self._reach = reach
        self._carriers = carriers
        self._kept: set[NodeId] = set()

    def step(self) -> float | None:
        """Start what is missing, end what has left."""
        wanted = {entry.node for entry in self._rosters().peers_of(self._node.id)}
        for peer in wanted - self._kept:
            self._supervisor.add(f"sync/{peer}", partial(self._start, peer))
        for peer in self._kept - wanted:
            self._supervisor.remove(f"sync/{peer}")
        self._kept = wanted
        return None

    def _start(self, peer: NodeId, failed: Failed) -> pykka.ActorRef[Any]:
        return Sync.start(
            failed,
            self._node,
            peer,
            rosters=self._rosters,
            transport=self._transport,
            reach=self._reach,
            carriers=self._carriers,
        )
