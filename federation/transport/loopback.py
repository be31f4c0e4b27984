"""Hosts in one process, with the faults that a network has: for tests of an alliance, and shipped with it.

Faults strike where a network would: a call is refused before it arrives, or its answer is lost after the
host has acted; mail is dropped, doubled, reordered or altered by a host that is not honest.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from federation.hosting import Hosting
from federation.transport.direct import DirectLink
from federation.transport.port import BlobOffer, BlobState, Delivery, Mail, MailboxLink
from node.errors import Unavailable
from node.names import Digest, NodeId

Alter = Callable[[list[Delivery]], list[Delivery]]


@dataclass(slots=True)
class Faults:
    """What the network and the hosts do wrong now; change it while links are in use."""

    cut: set[NodeId] = field(default_factory=set)
    """Nodes whose line is down, towards everybody but themselves."""
    drop_calls: float = 0.0
    """Share of calls that never arrive."""
    drop_answers: float = 0.0
    """Share of calls that are carried out and whose answer is lost."""
    cut_blobs_after: int = 0
    """Every transfer of a sealed file breaks after this many chunks; 0 is never."""
    delay_s: float = 0.0
    alter: Alter | None = None
    """What a host makes of the mail that it gives out."""
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - not for secrets

    def before(self, caller: NodeId, host: NodeId) -> None:
        """Fail as a network does before a call arrives."""
        if self.delay_s:
            time.sleep(self.delay_s)
        if caller in self.cut or host in self.cut or self.chance.random() < self.drop_calls:
            raise Unavailable(f"Reaching {host} failed: the line is down. It is tried again.")

    def after(self, host: NodeId) -> None:
        """Fail as a network does after a call was carried out."""
        if self.chance.random() < self.drop_answers:
            raise Unavailable(f"Reaching {host} failed: its answer was lost. It is tried again.")


class LoopbackTransport:
    """One node's way to hosts that live in the same process."""

    def __init__(self, caller: NodeId, hosts: Mapping[NodeId, Hosting], faults: Faults) -> None:
        self._caller = caller
        self._hosts = hosts
        self._faults = faults
        self._links: dict[NodeId, tuple[Hosting, MailboxLink]] = {}

    def link(self, host: NodeId) -> MailboxLink:
        hosting = self._hosts.get(host)
        if hosting is None:
            raise Unavailable(f"Reaching {host} failed: it has no address. See the roster.")
        known = self._links.get(host)
        if known is None or known[0] is not hosting:  # a host that was started again is another one
            known = self._links[host] = (hosting, self._new_link(host, hosting))
        return known[1]

    def close(self) -> None:
        for _, link in self._links.values():
            link.close()

    def _new_link(self, host: NodeId, hosting: Hosting) -> MailboxLink:
        direct = DirectLink(hosting, self._caller)
        return direct if host == self._caller else _FaultyLink(direct, self._caller, host, self._faults)


class _FaultyLink:
    """A link whose calls go wrong as `Faults` says."""

    def __init__(self, link: DirectLink, caller: NodeId, host: NodeId, faults: Faults) -> None:
        self._link = link
        self._caller = caller
        self._host = host
        self._faults = faults

    def deposit(self, envelopes: Sequence[bytes]) -> None:
        self._faults.before(self._caller, self._host)
        self._link.deposit(envelopes)
        self._faults.after(self._host)

    def collect(self, *, follow: bool) -> Mail:
        self._faults.before(self._caller, self._host)
        return _FaultyMail(self._link.collect(follow=follow), self._caller, self._host, self._faults)

    def acknowledge(self, arrivals: Sequence[int]) -> None:
        self._faults.before(self._caller, self._host)
        self._link.acknowledge(arrivals)
        self._faults.after(self._host)

    def offer_blob(self, offer: BlobOffer) -> BlobState:
        self._faults.before(self._caller, self._host)
        return self._link.offer_blob(offer)

    def put_blob(self, digest: Digest, chunks: Iterable[bytes], *, offset: int) -> BlobState:
        self._faults.before(self._caller, self._host)
        return self._link.put_blob(digest, self._broken(chunks), offset=offset)

    def get_blob(self, digest: Digest, *, offset: int) -> Iterator[bytes]:
        self._faults.before(self._caller, self._host)
        return self._broken(self._link.get_blob(digest, offset=offset))

    def release_blob(self, digest: Digest) -> None:
        self._faults.before(self._caller, self._host)
        self._link.release_blob(digest)

    def close(self) -> None:
        self._link.close()

    def _broken(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for count, chunk in enumerate(chunks):
            if self._faults.cut_blobs_after and count >= self._faults.cut_blobs_after:
                raise Unavailable(f"Reaching {self._host} failed: the line broke. It is tried again.")
            yield chunk


class _FaultyMail:
    """Mail of a host that may be cut off, or not honest."""

    def __init__(self, mail: Mail, caller: NodeId, host: NodeId, faults: Faults) -> None:
        self._mail = mail
        self._caller = caller
        self._host = host
        self._faults = faults

    def __iter__(self) -> Iterator[list[Delivery]]:
        return self

    def __next__(self) -> list[Delivery]:
        deliveries = next(self._mail)
        self._faults.before(self._caller, self._host)
        return self._faults.alter(deliveries) if self._faults.alter is not None else deliveries

    def close(self) -> None:
        self._mail.close()
