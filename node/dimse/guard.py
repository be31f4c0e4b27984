"""A cap and a deadline on each PDU.

pynetdicom reads a PDU with a blocking call and believes its length: a dozen
sockets that send half a PDU block everybody, and a declared 4 GiB is piled up
in memory. How many may be here at once is decided in `places`.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from pynetdicom.transport import AssociationSocket

from node.dimse.connection import ASSOCIATE_DEADLINE_S, MAX_PDU_BYTES, SEND_DEADLINE_S

if TYPE_CHECKING:
    from pynetdicom.association import Association

MAX_WAITING_MESSAGES = 4
_RECEIVE_BYTES = 64 << 10


class GuardedSocket(AssociationSocket):
    """The socket of an association, with a cap and a deadline on each PDU, and without Nagle's delay."""

    deadline_s = ASSOCIATE_DEADLINE_S
    """For the rest of a PDU; short until the association stands."""

    def __init__(self, association: Association, peer: socket.socket, read_already: bytes) -> None:
        super().__init__(association, client_socket=peer)
        self._read_already = memoryview(read_already)

    @property
    def ready(self) -> bool:
        """Whether to read on: not while requests wait, so that a sender that waits for no answer waits for TCP."""
        if self._read_already:
            return True
        return self.assoc.dimse.msg_queue.qsize() < MAX_WAITING_MESSAGES and super().ready

    def recv(self, nr_bytes: int) -> bytearray:
        """Read a part of a PDU; less than asked when the peer hung up.

        Raises
        ------
        OSError
            The PDU is too long, or does not come to its end in time.
        """
        if nr_bytes > MAX_PDU_BYTES:
            raise OSError("the PDU is too long")
        if self._read_already:
            read = bytearray(self._read_already[:nr_bytes])
            self._read_already = self._read_already[nr_bytes:]
            return read
        connection = self.socket
        if connection is None:
            raise OSError("the connection is closed")
        until = time.monotonic() + self.deadline_s
        received = bytearray(nr_bytes)
        view, at = memoryview(received), 0
        while at < nr_bytes:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError("the PDU did not come to its end")
            connection.settimeout(left)
            count = connection.recv_into(view[at : at + _RECEIVE_BYTES])
            # The kernel forgets this at every read. Without it a sender that writes header and body apart waits
            # 40 ms for each (Nagle against delayed acknowledgement): 18 instances a second instead of 860.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            if not count:
                break
            at += count
        connection.settimeout(SEND_DEADLINE_S)
        view.release()
        del received[at:]
        return received
