"""How a node uses a mailbox host: the port that every adapter implements.

A host sees sender, recipient, size and time, never content. Everything here may
be repeated: depositing, acknowledging or offering twice changes nothing. What
fails with `Unavailable` may be tried again later; `Refused` and `InvalidRequest`
will not pass by repeating; `Damaged` means the bytes must be sent or fetched anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from node.names import Digest, NodeId

CHUNK_BYTES = 1 << 20
"""How much of a sealed file travels in one message."""
ENVELOPE_LIMIT_BYTES = 1 << 20
DEPOSIT_LIMIT_BYTES = 3 << 20
"""Envelopes of one deposit together; below gRPC's default limit of 4 MiB a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An envelope as it waits in a mailbox."""

    arrival: int
    """Counts what has come for this recipient at this host; the handle to acknowledge it."""
    sender: NodeId
    """Who deposited it, as the host saw it."""
    envelope: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobOffer:
    """A sealed file that its owner wants a host to keep for its readers."""

    digest: Digest
    size_bytes: int
    readers: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobState:
    """How much of a sealed file a host holds."""

    held_bytes: int
    ready: bool
    """All of it is durable and its digest was checked."""


class Mail(Protocol):
    """Mail as it comes: an iterator of lists."""

    def __iter__(self) -> Iterator[list[Delivery]]:
        """Give itself."""

    def __next__(self) -> list[Delivery]:
        """Wait for the next list; raises as the link does."""

    def close(self) -> None:
        """End it, from any thread: whoever waits for the next list is let go."""


class MailboxLink(Protocol):
    """One mailbox host as one node uses it. Calls may come from any thread."""

    def deposit(self, envelopes: Sequence[bytes]) -> None:
        """Leave envelopes of this node in their recipients' mailboxes, in order.

        Returns when all are durable at the host. At most `DEPOSIT_LIMIT_BYTES` together.

        Raises
        ------
        Refused
            This node or a recipient is not in the roster, or the host keeps no mailbox for it.
        Unavailable
            The host cannot be reached, or the mailbox is full.
        """

    def collect(self, *, follow: bool) -> Mail:
        """Give this node's own mail, oldest first, from all that is not yet acknowledged.

        The first list comes at once and may be empty. With ``follow`` more lists
        come as mail does, until it or the link is closed.
        """

    def acknowledge(self, arrivals: Sequence[int]) -> None:
        """Let the host forget what is durable here. Receipts stay until newer ones replace them."""

    def offer_blob(self, offer: BlobOffer) -> BlobState:
        """Ask the host to keep a sealed file; says where to go on from.

        Raises
        ------
        Unavailable
            The quota or the disk is full.
        """

    def put_blob(self, digest: Digest, chunks: Iterable[bytes], *, offset: int) -> BlobState:
        """Send bytes of an offered file from an offset on; the host checks the digest of the whole.

        Raises
        ------
        Conflict
            The host holds another number of bytes than ``offset``; offer again to learn it.
        Damaged
            The whole is not what its name says; the host dropped it.
        """

    def get_blob(self, digest: Digest, *, offset: int) -> Iterator[bytes]:
        """Give the bytes of a sealed file from an offset to its end.

        Raises
        ------
        NotFound
            The host does not hold it ready.
        Refused
            This node is not among its readers.
        """

    def release_blob(self, digest: Digest) -> None:
        """Say that this reader needs the file no more."""

    def close(self) -> None:
        """End every call of this link; a waiting `collect` ends too."""


class Transport(Protocol):
    """Gives links to mailbox hosts; whoever composed it closes it."""

    def link(self, host: NodeId) -> MailboxLink:
        """Give the link to a host, opened at its first call."""

    def close(self) -> None:
        """Close every link."""
