"""Found an alliance of nodes whose state folders all lie on this machine: for the demo and for tests.

Hospitals that stand apart use invitation and join (`meridian alliance`), with
fingerprints compared by people. Here one hand holds every folder, so the root
admits each node directly; everything after that is the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from federation.identity import found_alliance
from federation.membership import adopt
from federation.roster import Roster
from federation.statements import CENTRE, CLINIC, NodeAdmitted
from node.clock import Clock, SystemClock
from node.keys.store import KeyStore
from node.names import NodeId
from node.node import Node
from ops.compose import compose_node
from ops.configuration import write_configuration
from ops.free_ports import free_ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node to be made."""

    id: str
    name: str
    role: str = CLINIC
    listens: bool = False
    mailbox_host: str = ""
    """Empty: itself when it listens."""
    reached_at: str = ""
    """``host:port`` that peers dial, when it differs from where it listens."""
    quiet_s: float = 3.0
    reserve_mb: int = 256


CLINIC_AND_CENTRE = (
    Place(id="centre", name="中心医院 Central Hospital", role=CENTRE, listens=True),
    Place(id="alpha", name="第一卫生院 First Clinic", mailbox_host="centre"),
)


def found_on_this_machine(
    directory: Path, places: Sequence[Place], *, clock: Clock | None = None
) -> dict[NodeId, Node]:
    """Write each node's configuration, draw keys, found the alliance, admit all; give the nodes, opened.

    Places that host mailboxes come first.
    """
    time = clock or SystemClock()
    passphrase = secrets.token_urlsafe(24)
    root = found_alliance(directory / "root", passphrase, name="演示联盟 Demo Alliance", at=time.now())
    chain = [root.founding]
    nodes = {}
    for place in places:
        dicom, web, alliance = free_ports(3)
        node_id = write_configuration(
            directory / place.id,
            id=place.id,
            name=place.name,
            dicom_port=dicom,
            web_port=web,
            alliance_port=alliance if place.listens else 0,
            quiet_s=place.quiet_s,
            reserve_mb=place.reserve_mb,
        )
        keys = KeyStore.open(directory / place.id / "keys", node_id, time)
        act = NodeAdmitted(
            node=node_id,
            name=place.name,
            role=place.role,
            keys=keys.public_keys,
            mailbox_host=NodeId(place.mailbox_host or place.id),
            address=place.reached_at or (f"127.0.0.1:{alliance}" if place.listens else ""),
        )
        chain.append(root.sign(act, roster=Roster.from_statements(chain), at=time.now()))
    for place in places:
        node = compose_node(directory / place.id, clock=time)
        node.write(adopt(node, chain))
        nodes[node.id] = node
    (directory / "root" / "passphrase").touch(mode=0o600)
    (directory / "root" / "passphrase").write_text(passphrase)
    return nodes
