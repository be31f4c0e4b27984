"""An alliance whose actors run, over gRPC and mutual TLS, in one process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.collect import Collect, Fetch
from actors.ingest import Ingest
from actors.peers import Peers
from actors.reach import Reach
from actors.supervisor import Start, Supervisor
from actors.sync import Carriers
from federation.transport.grpcio import GrpcTransport
from federation.transport.server import MailboxServer
from node.clock import SystemClock
from node.node import Node
from ops.free_ports import free_ports
from tests.kit.alliance import Alliance, Member


@dataclass
class Driven:
    """One member with its actors."""

    member: Member
    supervisor: Supervisor
    transport: GrpcTransport
    carriers: Carriers
    server: MailboxServer | None = None

    @property
    def node(self) -> Node:
        return self.member.node

    @classmethod
    def start(cls, member: Member, *, listen: str = "") -> Driven:
        node, rosters = member.node, member.rosters
        transport = GrpcTransport(node.keys, rosters, member.hosting)
        carriers = Carriers()
        problems: list[BaseException] = []
        starts: dict[str, Start] = {}
        supervisor = Supervisor(starts, escalate=lambda _name, error: problems.append(error))
        reach = Reach(supervisor.wake)
        away = {"rosters": rosters, "transport": transport, "reach": reach}
        server = MailboxServer(member.hosting, address=listen) if listen else None
        if server is not None:
            server.start()
        supervisor.start()
        supervisor.add("ingest", lambda failed: Ingest.start(failed, node))
        supervisor.add("collect", lambda failed: Collect.start(failed, node, **away))
        supervisor.add("fetch", lambda failed: Fetch.start(failed, node, **away))
        supervisor.add(
            "peers",
            lambda failed: Peers.start(failed, node, supervisor=supervisor, carriers=carriers, **away),
        )
        node.bell.listen(supervisor.wake)
        return cls(member, supervisor, transport, carriers, server)

    def stop(self) -> None:
        if self.server is not None:
            self.server.close()
        self.transport.close()
        self.carriers.close()
        self.supervisor.stop()


@contextmanager
def driven_alliance(
    folder: Path, *, clinics: Sequence[str] = ("alpha",), relay: str = ""
) -> Iterator[tuple[Alliance, dict[str, Driven]]]:
    """Found an alliance and start everybody; a relay keeps all mailboxes."""
    host = relay or "centre"
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    alliance = Alliance.found(folder, SystemClock(), clinics=clinics, relay=relay, addresses={host: address})
    driven = {
        str(member.id): Driven.start(member, listen=address if member.id == host else "")
        for member in alliance
    }
    try:
        yield alliance, driven
    finally:
        for one in driven.values():
            one.stop()
        alliance.close()
