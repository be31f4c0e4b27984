"""The host as its own customer: no dialling, the rows and files of this very node."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence

from federation.hosting import Hosting
from federation.transport.port import BlobOffer, BlobState, Delivery, Mail
from node.names import Digest, NodeId

LOOK_S = 5.0
"""A bell may be lost; look by yourself this often."""


class DirectLink:
    """A `MailboxLink` of a caller to a host in the same process."""

    def __init__(self, hosting: Hosting, caller: NodeId) -> None:
        self._hosting = hosting
        self._caller = caller
        self._open: list[_DirectMail] = []
        self._listening = False

    def deposit(self, envelopes: Sequence[bytes]) -> None:
        self._hosting.deposit(self._caller, envelopes)

    def collect(self, *, follow: bool) -> Mail:
        mail = _DirectMail(self._hosting, self._caller, follow=follow)
        if follow:
            self._open = [*(one for one in self._open if not one.closed), mail]
            if not self._listening:
                self._listening = True
                self._hosting.node.bell.listen(self._ring)
        return mail

    def acknowledge(self, arrivals: Sequence[int]) -> None:
        self._hosting.acknowledge(self._caller, arrivals)

    def offer_blob(self, offer: BlobOffer) -> BlobState:
        return self._hosting.offer_blob(self._caller, offer)

    def put_blob(self, digest: Digest, chunks: Iterable[bytes], *, offset: int) -> BlobState:
        for chunk in chunks:
            offset = self._hosting.append_blob(self._caller, digest, chunk, offset=offset)
        return self._hosting.finish_blob(self._caller, digest)

    def get_blob(self, digest: Digest, *, offset: int) -> Iterator[bytes]:
        return self._hosting.read_blob(self._caller, digest, offset=offset)

    def release_blob(self, digest: Digest) -> None:
        self._hosting.release_blob(self._caller, digest)

    def close(self) -> None:
        for mail in self._open:
            mail.close()

    def _ring(self) -> None:
        for mail in self._open:
            mail.look()


class _DirectMail:
    """Reads the mailbox anew whenever the bell rings."""

    def __init__(self, hosting: Hosting, caller: NodeId, *, follow: bool) -> None:
        self._hosting = hosting
        self._caller = caller
        self._follow = follow
        self._after = 0
        self._first = True
        self._closed = False
        self._rung = threading.Event()

    def __iter__(self) -> Iterator[list[Delivery]]:
        return self

    def __next__(self) -> list[Delivery]:
        while not self._closed:
            self._rung.clear()
            deliveries = self._hosting.waiting(self._caller, after=self._after)
            if deliveries or self._first:
                self._first = False
                self._after = deliveries[-1].arrival if deliveries else self._after
                return deliveries
            if not self._follow:
                break
            self._rung.wait(LOOK_S)
        raise StopIteration

    def look(self) -> None:
        """Let whoever waits look again."""
        self._rung.set()

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True
        self._rung.set()
