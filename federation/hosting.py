"""What a caller may do at this node as a mailbox host: asked anew at every call, of the roster as it stands.

The transport says who calls (whose certificate it showed); this says whether they
may, and leaves rows to `federation.mailbox` and files to `federation.blobs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from federation import blobs, mailbox
from federation.current_roster import Rosters
from federation.envelope import Envelope, Header
from federation.links import AWAY, CONNECTED, show_link
from federation.roster import RosterEntry
from federation.transport.port import DEPOSIT_LIMIT_BYTES, BlobOffer, BlobState, Delivery
from node.canonical import digest_of
from node.database.port import Statement
from node.errors import InvalidRequest, Refused
from node.failpoints import failpoint
from node.names import Digest, NodeId
from node.node import Node

ACKNOWLEDGED_LIMIT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """The mailboxes and sealed files of this node, as its callers meet them."""

    node: Node
    rosters: Rosters

    def member(self, caller: NodeId) -> RosterEntry:
        """Give a caller's roster entry.

        Raises
        ------
        Refused
            It is not in the roster, or was revoked.
        """
        entry = self.rosters().peek(caller)
        if entry is None or entry.revoked:
            raise Refused(f"Calling {self.node.id} was refused: {caller} is not in its alliance.")
        return entry

    def deposit(self, caller: NodeId, envelopes: Sequence[bytes]) -> None:
        """Keep a caller's envelopes for their recipients; durable when it returns.

        Raises
        ------
        Refused
            One is not the caller's own, or for a mailbox that is not kept here.
        Unavailable
            A mailbox is full.
        """
        self.member(caller)
        if sum(map(len, envelopes)) > DEPOSIT_LIMIT_BYTES and len(envelopes) > 1:
            raise InvalidRequest("Leaving mail was refused: too much at once. Send less in one call.")
        statements: list[Statement] = []
        recipients: set[NodeId] = set()
        for content in envelopes:
            header = Envelope.from_bytes(content).header
            self._check(caller, header)
            recipients.add(header.recipient)
            statements += mailbox.deposit(header, content, now=self.node.now())
        for recipient in recipients:
            mailbox.check_quota(self.node.database, sender=caller, recipient=recipient)
        if statements:
            self.node.write(statements)
            failpoint("delivered")

    def waiting(self, caller: NodeId, *, after: int) -> list[Delivery]:
        """Give the caller's own mail that arrived after a number, oldest first."""
        self.member(caller)
        return mailbox.waiting(self.node.database, caller, after=after)

    def acknowledge(self, caller: NodeId, arrivals: Sequence[int]) -> None:
        """Forget the caller's own mail."""
        self.member(caller)
        if len(arrivals) > ACKNOWLEDGED_LIMIT:
            raise InvalidRequest("Acknowledging mail was refused: too much at once. Send less in one call.")
        if statements := mailbox.acknowledge(self.node.database, caller, arrivals):
            self.node.write(statements)

    def offer_blob(self, caller: NodeId, offer: BlobOffer) -> BlobState:
        """Keep a caller's sealed file for readers whose mailboxes are kept here."""
        self.member(caller)
        if not is_digest(offer.digest):
            raise InvalidRequest("Offering a blob was refused: its name is not a SHA-256.")
        roster = self.rosters()
        for reader in offer.readers:
            entry = roster.peek(reader)
            if entry is None or entry.revoked or entry.mailbox_host != self.node.id:
                raise Refused(f"Offering a blob for {reader} was refused: its mailbox is not kept here.")
        return blobs.offer(self.node, caller, offer)

    def append_blob(self, caller: NodeId, digest: Digest, chunk: bytes, *, offset: int) -> int:
        """Write bytes of an offered file; the caller was checked when its call began."""
        return blobs.append(self.node, caller, digest, chunk, offset=offset)

    def finish_blob(self, caller: NodeId, digest: Digest) -> BlobState:
        """Check and name an uploaded file if all of it is here."""
        return blobs.finish(self.node, caller, digest)

    def read_blob(self, caller: NodeId, digest: Digest, *, offset: int, length: int = 0) -> Iterator[bytes]:
        """Give a file's bytes to one of its readers."""
        self.member(caller)
        return blobs.read(blobs.readable(self.node, caller, digest), offset=offset, length=length)

    def release_blob(self, caller: NodeId, digest: Digest) -> None:
        """Let go of a file for one reader."""
        self.member(caller)
        blobs.release(self.node, caller, digest)

    def presence(self, caller: NodeId, *, present: bool) -> None:
        """Show on the alliance page whether a peer whose mailbox is here is connected."""
        show_link(self.node, caller, CONNECTED if present else AWAY)

    def arrived(self) -> dict[NodeId, int]:
        """Give how much mail ever came for each mailbox here: it has grown when this has."""
        return mailbox.arrived(self.node.database)

    def _check(self, caller: NodeId, header: Header) -> None:
        if header.sender != caller:
            raise Refused(f"Leaving mail was refused: {caller} may not send as {header.sender}.")
        recipient = self.rosters().peek(header.recipient)
        if recipient is None or recipient.revoked or recipient.mailbox_host != self.node.id:
            raise Refused(
                f"Leaving mail for {header.recipient} was refused: its mailbox is not kept at {self.node.id}."
                " See the roster for where it is."
            )


def is_digest(name: str) -> bool:
    """Say whether a blob's name is one; anything else never becomes part of a path."""
    return len(name) == len(digest_of(b"")) and all(c in "0123456789abcdef" for c in name)
