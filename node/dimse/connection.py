"""A connection as the upper layer reads it: exact numbers of bytes, each PDU under a deadline.

Bytes are taken straight into where they belong, with one small buffer for what
comes along. The socket itself wakes every few seconds, so that a deadline costs
no system call.
"""

from __future__ import annotations

import math
import select
import socket
import struct
import sys
import time
from contextlib import suppress

from node.failpoints import planted

Bytes = bytes | memoryview

MAX_PDU_BYTES = 256 << 10
"""What is read at most, P-DATA and A-ASSOCIATE-RQ alike; half of it is what we say in negotiation."""
PDU_DEADLINE_S = 30.0
"""For the rest of a PDU whose first byte has come."""
ASSOCIATE_DEADLINE_S = 10.0
"""For a connection to become an association."""
IDLE_S = 600.0
"""An association without a word is closed after this; an ultrasound keeps one open while a patient is examined."""
SEND_DEADLINE_S = 30.0
LINGER_S = 5.0
"""How long a peer may take to hang up after an association has ended."""
LINGER_BYTES = 1 << 20
"""How much a peer may still send meanwhile; it is dropped."""

_AHEAD_BYTES = 16 << 10
_WAKE_S = 1.0
_TIMEVAL = struct.Struct("ll")


class HungUp(Exception):
    """The peer closed the connection."""


class TooLate(Exception):
    """The peer did not send the rest in time."""


class Connection:
    """Reads and writes one socket; for one thread, but for `hang_up`."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._ahead = bytearray(_AHEAD_BYTES)
        self._view = memoryview(self._ahead)
        self._from = self._to = 0
        self._until = 0.0
        self._waiting = select.poll()
        self._waiting.register(peer, select.POLLIN)
        self._tcp = peer.family in (socket.AF_INET, socket.AF_INET6)
        secured = hasattr(peer, "pending")
        self._scatters = not secured
        """Whether one read may fill two places; TLS has no such call."""
        self._nothing_yet: tuple[type[OSError], ...] = (BlockingIOError, TimeoutError)
        if secured:  # its module is big, and in memory already when there is such a socket
            self._nothing_yet += (sys.modules["ssl"].SSLWantReadError,)
        peer.setblocking(True)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(int(_WAKE_S), 0))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(int(SEND_DEADLINE_S), 0))
        if self._tcp:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    @property
    def socket(self) -> socket.socket:
        """The socket itself, for whoever takes it over."""
        return self._peer

    @property
    def ahead(self) -> bytes:
        """What was read and not yet taken."""
        return bytes(self._view[self._from : self._to])

    def wait(self, within_s: float) -> None:
        """Wait for a first byte.

        Raises
        ------
        HungUp, TooLate
            It does not come.
        """
        self.allow(within_s)
        if self._from == self._to:
            self._from, self._to = 0, self._receive(self._view)

    def has_come(self) -> bool:
        """Say whether something can be read without waiting."""
        if self._from < self._to or (not self._scatters and self._peer.pending()):  # type: ignore[attr-defined]  # TLS
            return True
        return bool(self._waiting.poll(0))

    def allow(self, within_s: float) -> None:
        """Give the peer this long from now for all that is read next."""
        self._until = math.inf if planted("pdu-deadline-removed") else time.monotonic() + within_s

    def read(self, count: int) -> memoryview:
        """Read a few bytes; they are good until the next call.

        Raises
        ------
        HungUp, TooLate
            They do not come.
        """
        while self._to - self._from < count:
            if self._from + count > _AHEAD_BYTES:
                left = self._to - self._from
                self._view[:left] = bytes(self._view[self._from : self._to])
                self._from, self._to = 0, left
            self._to += self._receive(self._view[self._to :])
        read = self._view[self._from : self._from + count]
        self._from += count
        return read

    def fill(self, place: memoryview) -> None:
        """Read exactly as much as fits into a place; raises as `read` does."""
        count = min(self._to - self._from, len(place))
        if count:
            place[:count] = self._view[self._from : self._from + count]
            self._from += count
        while count < len(place):
            self._from, self._to = 0, 0
            rest = place[count:]
            taken = self._receive(rest, self._view) if self._scatters else self._receive(rest)
            self._to = max(0, taken - len(rest))
            count += taken - self._to

    def send(self, content: bytes | bytearray) -> None:
        """Write all of it, at once: an answer in two pieces would wait for the peer's acknowledgement."""
        self._peer.sendall(content)
        # The kernel forgets this at every answer. Without it a sender that writes header and body apart waits 40 ms for
        # each (Nagle against delayed acknowledgement): 18 instances a second instead of 400.
        if self._tcp:
            self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def send_all(self, pieces: list[Bytes]) -> None:
        """Write pieces one behind the other, with one call where the system has one; at most 1,024 (IOV_MAX)."""
        if not self._scatters:
            self._peer.sendall(b"".join(pieces))
            return
        left = sum(map(len, pieces))
        while left:
            sent = self._peer.sendmsg(pieces)
            left -= sent
            if left:
                pieces = _behind(pieces, sent)

    def close(self, *, wait: bool) -> None:
        """Hang up; when told to wait, not before the peer has read what was sent last. Never raises."""
        with suppress(OSError, HungUp, TooLate):
            if wait:
                self._peer.shutdown(socket.SHUT_WR)
                self.allow(LINGER_S)
                left = LINGER_BYTES
                while left > 0:
                    left -= self._receive(self._view)
        self._peer.close()

    def hang_up(self) -> None:
        """End whatever another thread waits for here. Never raises."""
        with suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)

    def _receive(self, *places: memoryview) -> int:
        while True:
            try:
                if len(places) > 1:
                    count = self._peer.recvmsg_into(places)[0]
                else:
                    count = self._peer.recv_into(places[0])
            except self._nothing_yet:
                count = -1
            if count == 0:
                raise HungUp
            if time.monotonic() > self._until:
                raise TooLate
            if count > 0:
                return count


def _behind(pieces: list[Bytes], sent: int) -> list[Bytes]:
    """Give what is left of pieces when so many bytes of them are sent."""
    for n, piece in enumerate(pieces):
        if sent < len(piece):
            return [memoryview(piece)[sent:], *pieces[n + 1 :]]
        sent -= len(piece)
    return []
