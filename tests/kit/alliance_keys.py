"""A founded alliance in a folder: a root, key stores, and the roster that its statements make."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from federation.identity import Root, found_alliance
from federation.roster import Roster, RosterEntry
from federation.statements import Act, NodeAdmitted, SignedStatement
from node.keys.derivation import Cost
from node.keys.public import PublicKeys
from node.keys.store import KeyStore
from node.names import NodeId
from tests.kit.clock import FrozenClock

PASSPHRASE = "correct horse battery staple"
CHEAP = Cost(n=16, r=1, p=1)
"""For tests: patch `node.keys.locked.COST` and `node.keys.passwords.COST` with it."""


@dataclass
class FoundedAlliance:
    """Grows by `admit` and `say`; `roster` is always that of all its statements."""

    folder: Path
    clock: FrozenClock
    root: Root
    statements: list[SignedStatement] = field(default_factory=list)

    @classmethod
    def found(cls, folder: Path, clock: FrozenClock) -> FoundedAlliance:
        root = found_alliance(folder / "root", PASSPHRASE, name="Lakeside", at=clock.now())
        return cls(folder=folder, clock=clock, root=root, statements=[root.founding])

    @property
    def roster(self) -> Roster:
        return Roster.from_statements(self.statements)

    def say(self, act: Act) -> SignedStatement:
        signed = self.root.sign(act, roster=self.roster, at=self.clock.now())
        self.statements.append(signed)
        return signed

    def store(self, node: str) -> KeyStore:
        """Give a node's key store, drawn at the first call."""
        return KeyStore.open(self.folder / node, NodeId(node), self.clock)

    def admit(
        self, node: str, *, host: str = "", address: str = "", keys: PublicKeys | None = None
    ) -> KeyStore:
        """Admit a node; without a host it keeps its own mailbox and listens."""
        store = self.store(node)
        self.say(
            NodeAdmitted(
                node=NodeId(node),
                name=f"{node} hospital",
                role="clinic" if host else "centre",
                keys=keys or store.public_keys,
                mailbox_host=NodeId(host or node),
                address=address or ("" if host else f"{node}.example:7443"),
            )
        )
        return store

    def entry(self, node: str) -> RosterEntry:
        return self.roster.entry(NodeId(node))
