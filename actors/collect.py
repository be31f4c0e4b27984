"""Takes this node's mail as it comes, and fetches the images that it speaks of.

Reads: the mailbox at its host; parts offered. Tells: nobody.
Writes: through `federation.inbox` and `federation.fetching`; links of peers behind the same host.

Two actors, so that a report is not kept waiting by images: `Collect` applies mail, `Fetch` carries parts in.
"""

from __future__ import annotations

import logging
from types import TracebackType
from typing import ClassVar

from actors.base import Failed, Follower
from actors.ear import Ear
from actors.inbox import WAKE
from actors.reach import Reach
from federation.current_roster import Rosters
from federation.exchange import bring_in, take_mail
from federation.fetching import check_completed, offered_parts
from federation.inbox import ask_for_missing
from federation.links import DOWN, peers_behind, show_link, show_reached
from federation.transport.port import Transport
from node.clock import SECOND
from node.errors import GridError
from node.names import NodeId
from node.node import Node

_log = logging.getLogger(__name__)


class Collect(Follower):
    """One per node; two are safe."""

    NAME = "collect"

    def __init__(
        self, failed: Failed, node: Node, *, rosters: Rosters, transport: Transport, reach: Reach
    ) -> None:
        super().__init__(failed)
        self._node = node
        self._rosters = rosters
        self._transport = transport
        self._reach = reach
        self._host: NodeId | None = None
        self._ear: Ear | None = None

    def step(self) -> float | None:
        """Apply what was heard; listen anew when the line broke, after a wait."""
        own = self._rosters().peek(self._node.id)
        if own is None or own.revoked:
            self._stop_listening()
            return None
        if own.mailbox_host != self._host:
            self._stop_listening()
            self._host = own.mailbox_host
        try:
            return self._listen(self._host)
        except GridError as error:
            return self._not_now(self._host, error)

    def on_stop(self) -> None:
        """Let the host know at once."""
        self._stop_listening()

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop_listening()
        super().on_failure(exception_type, exception_value, traceback)

    def _listen(self, host: NodeId) -> float | None:
        wait = self._reach.wait_s(host)
        if wait and self._ear is None:
            return wait
        link = self._transport.link(host)
        if self._ear is None:
            self._ear = Ear(link, wake=lambda: self.actor_ref.tell(WAKE))
        while (heard := self._ear.take()) is not None:
            if isinstance(heard, GridError):
                raise heard
            self._reached(host)
            take_mail(self._node, self._rosters, heard, link)
        ask_for_missing(self._node)
        return None

    def _reached(self, host: NodeId) -> None:
        self._reach.reached(host)
        for peer in peers_behind(self._rosters(), self._node.id, host):
            show_reached(self._node, peer)

    def _not_now(self, host: NodeId, error: GridError) -> float:
        _log.info("collecting from %s waits: %s", host, error)
        self._stop_listening()
        wait = self._reach.failed(host)
        next_try = self._node.now() + int(wait * SECOND)
        for peer in peers_behind(self._rosters(), self._node.id, host):
            show_link(self._node, peer, DOWN, error=error.message, next_try=next_try)
        return wait

    def _stop_listening(self) -> None:
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.close()


class Fetch(Follower):
    """One per node; two are safe, and store nothing twice."""

    NAME = "fetch"
    SPACING_S: ClassVar[float] = 0.05

    def __init__(
        self, failed: Failed, node: Node, *, rosters: Rosters, transport: Transport, reach: Reach
    ) -> None:
        super().__init__(failed)
        self._node = node
        self._rosters = rosters
        self._transport = transport
        self._reach = reach

    def step(self) -> float | None:
        """Bring in the parts that were offered; compare completed studies with what came."""
        own = self._rosters().peek(self._node.id)
        if own is None or own.revoked:
            return None
        check_completed(self._node)
        wait = self._reach.wait_s(own.mailbox_host)
        if wait:
            return wait
        try:
            bring_in(self._node, own.mailbox_host, self._transport.link(own.mailbox_host))
        except GridError as error:
            _log.info("fetching images waits: %s", error)
            return self._reach.failed(own.mailbox_host)
        return 0 if offered_parts(self._node) else None
