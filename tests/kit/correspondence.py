"""Alpha writes to centre: the outbox of one, the inbox of the other, and what lies between in the test's hands."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from federation.inbox import Outcome, take
from federation.outbox import deposit_sealed, seal_waiting, send
from federation.receipts import seal_receipt
from federation.transport.port import Delivery
from node.names import Cause, NodeId
from node.node import Node
from tests.kit.alliance import Alliance
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.notes import Note, Notebook, notes_of


@dataclass
class Pile:
    """A link that only keeps what is deposited."""

    envelopes: list[bytes] = field(default_factory=list)

    def deposit(self, envelopes: list[bytes]) -> None:
        self.envelopes += envelopes


@dataclass
class Correspondence:
    """Two members, and the envelopes that one has sealed for the other."""

    alliance: Alliance
    clock: FrozenClock
    notebook: Notebook

    @classmethod
    def begin(cls, folder: Path, clock: FrozenClock) -> Correspondence:
        return cls(Alliance.found(folder, clock), clock, Notebook())

    @property
    def alpha(self) -> Node:
        return self.alliance["alpha"].node

    @property
    def centre(self) -> Node:
        return self.alliance["centre"].node

    def write(self, *words: str) -> list[bytes]:
        """Let alpha send notes; give the envelopes that they and what waited are sealed in."""
        for word in words:
            self.alpha.write(send(self.alpha, self.centre.id, Note(words=word), cause=Cause("c")))
        return self.seal()

    def seal(self) -> list[bytes]:
        """Let alpha seal and deposit all that waits; give it."""
        pile = Pile()
        recipient = self.alliance["alpha"].entry(self.centre.id)
        while seal_waiting(self.alpha, recipient):
            continue
        while deposit_sealed(self.alpha, self.centre.id, pile):  # type: ignore[arg-type]
            continue
        return pile.envelopes

    def deliver(self, *envelopes: bytes, by: str = "alpha") -> list[Outcome]:
        """Let centre take envelopes as a host gives them."""
        return [self._take(self.centre, envelope, by) for envelope in envelopes]

    def receipt(self) -> bytes | None:
        """Give the sealed receipt that centre owes alpha, and count it as told."""
        due = seal_receipt(self.centre, self.alliance["centre"].entry(self.alpha.id))
        if due is None:
            return None
        self.centre.write([due.told])
        return due.envelope

    def acknowledge(self) -> None:
        """Bring centre's receipt to alpha, a second later."""
        self.clock.advance(1_000_000)
        if (receipt := self.receipt()) is not None:
            self._take(self.alpha, receipt, "centre")

    def states(self) -> list[str]:
        rows = self.alpha.database.read("SELECT inc, n, state FROM outbox ORDER BY inc, n")
        return [f"{row['n']} {row['state']}" for row in rows]

    def read(self) -> list[str]:
        return notes_of(self.centre)

    def problems(self, node: Node | None = None) -> list[str]:
        rows = (node or self.centre).database.read("SELECT kind FROM problem ORDER BY at, id")
        return [str(row["kind"]) for row in rows]

    def back_up(self, name: str) -> None:
        """Copy a node's state folder while it is stopped."""
        self._stop(name)
        shutil.copytree(self.alliance.folder / name, self.alliance.folder / f"{name}-backup")
        self._start(name)

    def restore(self, name: str) -> None:
        """Put the copy in the place of a node's state folder."""
        self._stop(name)
        shutil.rmtree(self.alliance.folder / name)
        shutil.copytree(self.alliance.folder / f"{name}-backup", self.alliance.folder / name)
        self._start(name)
        self.clock.advance(1_000_000)

    def _stop(self, name: str) -> None:
        self.alliance.members.pop(NodeId(name)).node.close()

    def _start(self, name: str) -> None:
        self.alliance.join(bare_node(self.alliance.folder, name, self.clock))

    def close(self) -> None:
        self.alliance.close()

    def _take(self, node: Node, envelope: bytes, by: str) -> Outcome:
        roster = self.alliance[node.id].rosters()
        delivery = Delivery(arrival=0, sender=NodeId(by), envelope=envelope)
        return take(node, roster, delivery, appliers=self.notebook.appliers)
