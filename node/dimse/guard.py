"""A cap and a deadline on each PDU.

pynetdicom reads a PDU with a blocking call and believes its length: a dozen
sockets that send half a PDU block everybody, and a declared 4 GiB is piled up
in memory. How many may be here at once is decided in `places`.
"""

from __future__ import annotations

import socket
import time

from pynetdicom.transport import AssociationSocket

MAX_PDU_BYTES = 256 << 10
"""What is read at most, P-DATA and A-ASSOCIATE-RQ alike; half of it is what we say in negotiation."""
PDU_DEADLINE_S = 30.0
ASSOCIATE_DEADLINE_S = 10.0
SEND_DEADLINE_S = 30.0
MAX_WAITING_MESSAGES = 4
_RECEIVE_BYTES = 64 << 10


class GuardedSocket(AssociationSocket):
    """The socket of an association, with a cap and a deadline on each PDU, and without Nagle's delay."""

    deadline_s = ASSOCIATE_DEADLINE_S
    """For the rest of a PDU; short until the association stands."""

    @property
    def ready(self) -> bool:
        """Whether to read on: not while requests wait, so that a sender that waits for no answer waits for TCP."""
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
