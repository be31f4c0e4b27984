"""An alliance of real processes on loopback: a clinic, a centre, and a PACS that keeps what it is sent."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from federation.statements import CENTRE
from node.names import NodeId
from ops.demo_people import Login, reader_token, staff_centre, staff_clinic
from ops.founding import CLINIC_AND_CENTRE, Place, found_on_this_machine
from ops.free_ports import free_ports
from ops.running import RunningNode, start_node, start_pacs
from tests.kit.http import Visitor, wait_for

WITH_RELAY = (
    Place(id="relay", name="中继 Relay", role=CENTRE, listens=True, reserve_mb=1),
    Place(id="centre", name="中心医院", role=CENTRE, mailbox_host="relay", quiet_s=1.0, reserve_mb=1),
    Place(id="alpha", name="第一卫生院", mailbox_host="relay", quiet_s=1.0, reserve_mb=1),
)
"""Clinic and centre dial out only; a third node keeps both mailboxes."""


@dataclass
class RunningAlliance:
    """State folders, processes and everybody's logins; processes may be killed and come back by themselves."""

    directory: Path
    logins: dict[str, dict[str, Login]]
    tokens: dict[str, str]
    pacs_address: tuple[str, str, int]
    environment: dict[str, dict[str, str]] = field(default_factory=dict)
    nodes: dict[str, RunningNode] = field(default_factory=dict)
    pacs: RunningNode | None = None

    def start(self) -> None:
        self.pacs = start_pacs(self.directory / "pacs", self.pacs_address)
        for name in self.logins:
            self.start_node(name)
        for node in self.nodes.values():
            node.wait_until_ready()
        self.pacs.wait_until_ready()

    def start_node(self, name: str) -> None:
        environment = self.environment.get(name)
        self.nodes[name] = start_node(self.directory / name, environment=environment)

    def stop(self) -> None:
        running = [*self.nodes.values(), *([self.pacs] if self.pacs else [])]
        for node in running:
            if node.alive:
                node.process.send_signal(signal.SIGTERM)
        for node in running:
            node.stop()

    def visitor(self, node: str, role: str) -> Visitor:
        """Somebody signed in at a node."""
        visitor = Visitor(self.nodes[node].web)
        login = self.logins[node][role]
        wait_for(f"{role} signed in at {node}", lambda: visitor.login(login.user, login.password))
        return visitor

    def reader(self, node: str) -> Visitor:
        """The program with the bearer token."""
        return Visitor(self.nodes[node].web, bearer=self.tokens[node])

    def processes(self, node: str) -> dict[str, psutil.Process]:
        """A node's processes by kind; ``serve`` is the one that keeps them up."""
        parent = psutil.Process(self.nodes[node].pid)
        kinds = {"serve": parent}
        for child in parent.children(recursive=True):
            words = child.cmdline()
            if "ops.process" in words:
                kinds[words[words.index("ops.process") + 1]] = child
        return kinds

    def received_by_pacs(self) -> list[Path]:
        return sorted((self.directory / "pacs").rglob("*.dcm"))


@contextmanager
def running_alliance(
    directory: Path,
    *,
    places: Sequence[Place] = CLINIC_AND_CENTRE,
    environment: dict[str, dict[str, str]] | None = None,
    start: bool = True,
) -> Iterator[RunningAlliance]:
    """Found an alliance, staff it, run it, and end it again."""
    nodes = found_on_this_machine(directory, places)
    (port,) = free_ports(1)
    pacs = ("TESTPACS", "127.0.0.1", port)
    logins: dict[str, dict[str, Login]] = {name: {} for name in nodes}
    logins["centre"] = staff_centre(nodes[NodeId("centre")])
    logins["alpha"] = staff_clinic(nodes[NodeId("alpha")], pacs=pacs)
    tokens = {str(name): reader_token(node) for name, node in nodes.items()}
    for node in nodes.values():
        node.close()
    alliance = RunningAlliance(directory, logins, tokens, pacs, environment or {})
    try:
        if start:
            alliance.start()
        yield alliance
    finally:
        alliance.stop()


def storescu(node: RunningNode, files: Iterable[Path], *, calling: str = "STORESCU") -> None:
    """Send files with dcmtk; fails unless every one was accepted."""
    command = [
        "storescu",
        "-aet",
        calling,
        "-aec",
        node.dicom.aet,
        "-xs",
        node.dicom.host,
        str(node.dicom.port),
    ]
    command[5:6] = []
    environment = {**os.environ, "TCP_NODELAY": "1"}
    subprocess.run(
        [*command, *map(str, files)], check=True, env=environment, capture_output=True, timeout=120
    )


def first_study(visitor: Visitor) -> dict[str, Any] | None:
    """The newest study in somebody's list, or None."""
    items = visitor.get("/api/studies")["items"]
    return items[0] if items else None
