"""The grid process: actors, the mailbox listener and the web, over one `Node`.

Starts what the configuration asks for, keeps actors for the peers of the roster
as it stands, and ends when told to or when an actor stays down.
"""

from __future__ import annotations

import logging
import sys
import threading
from functools import partial
from pathlib import Path

from actors.archive import Archive
from actors.chain import Chain, seal_rest
from actors.collect import Collect, Fetch
from actors.completion import Completion
from actors.consult import Consult
from actors.door import Door
from actors.ingest import Ingest
from actors.merge import Merge
from actors.peers import Peers
from actors.publish import Publish
from actors.reach import Reach
from actors.scrub import Scrub
from actors.supervisor import Start, Supervisor
from actors.sync import Carriers
from actors.tidy import Tidy
from actors.watch import Watch
from federation.current_roster import CurrentRoster
from federation.exchange import start_clean
from federation.hosting import Hosting
from federation.transport.grpcio import GrpcTransport
from federation.transport.server import MailboxServer
from node.allocator import keep_freed
from node.catalogue.deriving import derive_missing
from node.dimse.admission import publish_rules
from node.node import Node
from node.people.first_start import first_start_link
from ops.compose import compose_node
from ops.logs import configure_logs
from web.server import WebServer

_log = logging.getLogger(__name__)


def run_grid(state: Path, stopping: threading.Event) -> int:
    """Run the grid until told to stop; give the exit code, 1 when an actor stays down."""
    keep_freed()
    node = compose_node(state, process="grid")
    configure_logs(node.id, "grid")
    prepare(node)
    grid = Grid(node, stopping)
    try:
        grid.start()
        stopping.wait()
    finally:
        grid.stop()
        seal_rest(node)
        node.close()
    return 1 if grid.gave_up else 0


def prepare(node: Node) -> None:
    """Make whole what a crash left, before anything looks."""
    for damage in node.packs.recover().damaged:
        _log.error(damage)
    start_clean(node)
    publish_rules(node)
    derive_missing(node, tell=_tell_derived)


class Grid:
    """What of a node drives itself, and listens."""

    def __init__(self, node: Node, stopping: threading.Event) -> None:
        self._node = node
        self._stopping = stopping
        self.gave_up = False
        rosters = self._rosters = CurrentRoster(node.database)
        hosting = Hosting(node=node, rosters=rosters)
        self._transport = GrpcTransport(node.keys, rosters, hosting)
        self._carriers = Carriers()
        self._supervisor = Supervisor(self._actors(), escalate=self._give_up)
        alliance = node.config.alliance
        self._mailboxes = (
            MailboxServer(hosting, address=f"{alliance.host}:{alliance.port}") if alliance.port else None
        )
        self._web = WebServer(node)

    def start(self) -> None:
        """Start actors first, so that what waits is under way before anybody looks."""
        self._supervisor.start()
        self._node.bell.listen(self.wake)
        self._node.landed.listen(partial(self._supervisor.wake, Ingest.NAME))
        if self._mailboxes is not None:
            self._mailboxes.start()
        self._web.start()
        _tell_first_start(self._node)

    def stop(self) -> None:
        """End listeners first, then actors."""
        self._web.stop()
        if self._mailboxes is not None:
            self._mailboxes.close()
        self._transport.close()
        self._carriers.close()
        self._supervisor.stop()

    def wake(self) -> None:
        """Wake every actor of this process."""
        self._supervisor.wake()

    def _actors(self) -> dict[str, Start]:
        node = self._node
        reach = Reach(self.wake)
        away = {"rosters": self._rosters, "transport": self._transport, "reach": reach}
        listens = {Door.NAME: lambda failed: Door.start(failed, node)} if node.config.alliance.port else {}
        return {
            **listens,
            Publish.NAME: lambda failed: Publish.start(failed, node),
            Tidy.NAME: lambda failed: Tidy.start(failed, node),
            Chain.NAME: lambda failed: Chain.start(failed, node),
            Ingest.NAME: lambda failed: Ingest.start(failed, node),
            Archive.NAME: lambda failed: Archive.start(failed, node),
            Scrub.NAME: lambda failed: Scrub.start(failed, node),
            Watch.NAME: lambda failed: Watch.start(failed, node),
            Merge.NAME: lambda failed: Merge.start(failed, node),
            Completion.NAME: lambda failed: Completion.start(failed, node),
            Consult.NAME: lambda failed: Consult.start(failed, node),
            Collect.NAME: lambda failed: Collect.start(failed, node, **away),
            Fetch.NAME: lambda failed: Fetch.start(failed, node, **away),
            Peers.NAME: lambda failed: Peers.start(
                failed, node, supervisor=self._supervisor, carriers=self._carriers, **away
            ),
        }

    def _give_up(self, name: str, error: BaseException) -> None:
        _log.error("actor %s stays down (%s); ending, so that all starts anew", name, error)
        self.gave_up = True
        self._stopping.set()


def _tell_derived(done: int, waiting: int) -> None:
    if done % 5_000 == 0:
        _log.warning(
            "making %d of %d studies of an earlier version findable; queries wait for it", done, waiting
        )


def _tell_first_start(node: Node) -> None:
    """Print the one-time link while nobody has an account."""
    token = first_start_link(node)
    if token is not None:
        web = node.config.web
        scheme = "https" if web.certificate else "http"
        address = web.origin or f"{scheme}://{web.host}:{web.port}"
        print(
            f"First start: make the administrator's account at {address}/setup/{token}",
            file=sys.stdout,
            flush=True,
        )
