"""An alliance of n nodes in one process: real keys, roster, databases and packs, the loopback transport.

Nothing runs by itself: `deliver_all` turns everything until nothing moves, so a
scenario reads as a story and time passes only where it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest.mock import patch

from federation.current_roster import CurrentRoster
from federation.exchange import bring_in, carry, deliver, has_news, prepare, start_clean, take_mail
from federation.hosting import Hosting
from federation.identity import Root, found_alliance
from federation.inbox import ask_for_missing
from federation.membership import add_statements, adopt
from federation.outbox import repeat_overdue
from federation.roster import Roster, RosterEntry
from federation.sharing import Follower
from federation.statements import Act, NodeAdmitted, SignedStatement
from federation.transport.loopback import Faults, LoopbackTransport
from federation.transport.port import MailboxLink
from node.catalogue.registration import register
from node.clock import Clock
from node.errors import Refused, Unavailable
from node.journal.cursors import advance, position
from node.names import NodeId
from node.node import Node
from node.store.packs import index_cursor
from tests.kit.alliance_keys import CHEAP, PASSPHRASE
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock


@dataclass
class Member:
    """One hospital of the alliance, with what its processes would keep in memory."""

    node: Node
    rosters: CurrentRoster
    hosting: Hosting
    transport: LoopbackTransport
    followers: dict[NodeId, Follower] = field(default_factory=dict)

    @property
    def id(self) -> NodeId:
        return self.node.id

    def entry(self, peer: NodeId) -> RosterEntry:
        return self.rosters().entry(peer)

    def mailbox(self) -> MailboxLink:
        return self.transport.link(self.entry(self.id).mailbox_host)

    def link_to(self, peer: NodeId) -> MailboxLink:
        return self.transport.link(self.entry(peer).mailbox_host)

    def peers(self) -> list[NodeId]:
        return [entry.node for entry in self.rosters().peers_of(self.id)]

    def tell(self, peer: NodeId) -> None:
        follower = self.followers.setdefault(peer, Follower(peer))
        if self.entry(peer).revoked:
            return
        if has_news(self.node, follower) or repeat_overdue(self.node, peer):
            prepare(self.node, self.rosters(), follower)
            deliver(self.node, self.rosters(), peer, self.link_to(peer))

    def carry(self, peer: NodeId) -> None:
        carry(self.node, self.rosters(), peer, self.link_to(peer))

    def collect(self) -> None:
        link = self.mailbox()
        for deliveries in link.collect(follow=False):
            take_mail(self.node, self.rosters, deliveries, link)
        ask_for_missing(self.node)

    def bring_in(self) -> None:
        bring_in(self.node, self.entry(self.id).mailbox_host, self.mailbox())


@dataclass
class Alliance:
    """Members by name; ``faults`` are those of the network between all of them."""

    folder: Path
    clock: Clock
    root: Root
    statements: list[SignedStatement]
    hosts: dict[NodeId, Hosting] = field(default_factory=dict)
    members: dict[NodeId, Member] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    @classmethod
    def found(
        cls,
        folder: Path,
        clock: Clock,
        *,
        clinics: Sequence[str] = ("alpha",),
        relay: str = "",
        addresses: Mapping[str, str] | None = None,
    ) -> Alliance:
        """Found an alliance of a centre and clinics; with a relay, all mailboxes are there."""
        with patch("node.keys.locked.COST", CHEAP):
            root = found_alliance(folder / "root", PASSPHRASE, name="Lakeside", at=clock.now())
        alliance = cls(folder=folder, clock=clock, root=root, statements=[root.founding])
        names = [*([relay] if relay else []), "centre", *clinics]
        nodes = [bare_node(folder, name, clock) for name in names]
        for node in nodes:
            host = relay or ("centre" if node.id != "centre" else node.id)
            alliance.admit(node, host=NodeId(host), address=(addresses or {}).get(node.id, ""))
        for node in nodes:
            node.write(adopt(node, alliance.statements))
            alliance.join(node)
        return alliance

    def admit(self, node: Node, *, host: NodeId, address: str = "") -> None:
        listens = host == node.id
        act = NodeAdmitted(
            node=node.id,
            name=node.config.node.name,
            role="centre" if node.id == "centre" else "clinic",
            keys=node.keys.public_keys,
            mailbox_host=host,
            address=address or (f"{node.id}.example:7443" if listens else ""),
        )
        self._sign(act)

    def say(self, act: Act, *hearers: str) -> None:
        """Let the root say something, and some nodes take it in at once."""
        self._sign(act)
        self.say_all(*hearers)

    def say_all(self, *hearers: str) -> None:
        """Let some nodes take in what the root has said so far."""
        for name in hearers:
            node = self[name].node
            node.write(add_statements(node, self.statements))

    def _sign(self, act: Act) -> None:
        roster = Roster.from_statements(self.statements)
        self.statements.append(self.root.sign(act, roster=roster, at=self.clock.now()))

    def join(self, node: Node) -> Member:
        rosters = CurrentRoster(node.database)
        hosting = Hosting(node=node, rosters=rosters)
        self.hosts[node.id] = hosting
        member = Member(
            node=node,
            rosters=rosters,
            hosting=hosting,
            transport=LoopbackTransport(node.id, self.hosts, self.faults),
        )
        self.members[node.id] = member
        return member

    def __getitem__(self, name: str) -> Member:
        return self.members[NodeId(name)]

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members.values())

    def restart(self, name: str) -> Member:
        """End a node as a crash does, and start it again from its state folder."""
        old = self.members.pop(NodeId(name))
        old.node.close()
        node = bare_node(self.folder, name, self.clock)
        start_clean(node)
        return self.join(node)

    def turn(self) -> None:
        """Let every member do what is due, once; what the network refuses waits for the next turn."""
        for member in self:
            steps = [member.collect, member.bring_in, partial(index, member.node)]
            for peer in member.peers():
                steps += [partial(member.tell, peer), partial(member.carry, peer)]
            for step in steps:
                try:
                    step()
                except (Unavailable, Refused):
                    continue  # shown by the actors, and tried again

    def deliver_all(self, *, rounds: int = 60) -> None:
        """Turn until nothing moves; a frozen clock is moved so that lulls and waits pass."""
        before: tuple[object, ...] = ()
        for _ in range(rounds):
            if isinstance(self.clock, FrozenClock):
                self.clock.advance(1_000_000)
            self.turn()
            after = tuple(self.fingerprint(member.node) for member in self)
            if after == before:
                return
            before = after

    def fingerprint(self, node: Node) -> tuple[object, ...]:
        """Give what stands where; the same twice means that nothing moved."""
        tables = {
            "outbox": "peer, inc, n, state",
            "incoming": "peer, inc, n, receipt_n",
            "mailbox": "recipient, sender, inc, n",
            "part": "peer, origin, study_uid, k, direction, state",
            "decision": "peer, origin, study_uid, outcome, pending",
            "instance": "origin, study_uid, sop_uid, digest",
        }
        return tuple(
            tuple(tuple(row.values()) for row in node.database.read(f"SELECT {columns} FROM {table}"))
            for table, columns in tables.items()
        )

    def close(self) -> None:
        for member in self:
            member.node.close()


def index(node: Node) -> None:
    """Register what the packs have taken in, as the ingest does; what a test registered itself is left alone."""
    for pack in node.packs.landing():
        reader = index_cursor(pack)
        before = position(node.database, reader)
        held = {
            row["offset"] for row in node.database.read("SELECT offset FROM instance WHERE pack = ?", (pack,))
        }
        records = [one for one in node.packs.marked(pack, before) if one.location.offset not in held]
        if records:
            register(node, records, cursors=[advance(reader, before=before, after=records[-1].next_offset)])
