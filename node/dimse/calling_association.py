"""pynetdicom's association as the user side needs it: on our connection, bounded, quick to answer for.

Imported with the first call, since pynetdicom is dear to load.

Source: DICOM PS3.8 9.3.5 (P-DATA-TF), PS3.7 6.3 (messages).
"""

from __future__ import annotations

import io
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from ssl import SSLContext
from typing import TYPE_CHECKING, Any

from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.transport import T_CONNECT, AddressInformation, AssociationSocket

from node.dimse.upper_layer import PDU_HEADER, Pdu
from node.failpoints import planted

if TYPE_CHECKING:
    from pynetdicom.pdu_primitives import P_DATA

MOST_PDU_BYTES = 1 << 20
"""Of a PDU that comes; 128 KiB is what was announced."""
PDU_DEADLINE_S = 30.0
SEND_DEADLINE_S = 60.0
MOST_WAITING = 8
"""Messages read ahead; a peer that sends more waits for TCP."""
MOST_COMMAND_BYTES = 64 << 10
MOST_ANSWER_BYTES = 1 << 20
_RECEIVE_BYTES = 64 << 10
_REJECTION_BYTES = 4


class CallingEntity(ApplicationEntity):
    """Associates over a connection that was made before."""

    def __init__(self, *, ae_title: str, peer: socket.socket, spool: Callable[[], io.BytesIO] | None) -> None:
        super().__init__(ae_title=ae_title)
        self._peer = peer
        self._spool = spool or Answer
        self.connected: Connected | None = None

    def _create_socket(
        self, assoc: Association, address: AddressInformation, tls_args: tuple[SSLContext, str] | None
    ) -> AssociationSocket:
        """Give the connection; and have messages put together by us."""
        assoc.dimse = Messages(assoc, self._spool)
        self.connected = Connected(assoc, self._peer)
        return self.connected


class Answer(io.BytesIO):
    """Takes the data set of an answer, up to a cap; what is longer is marked and not kept."""

    too_long = False

    def write(self, fragment: Any, /) -> int:
        """Take the next fragment."""
        if self.too_long or self.tell() + len(fragment) > MOST_ANSWER_BYTES:
            self.too_long = True
            return len(fragment)
        return super().write(fragment)


class Messages(DIMSEServiceProvider):
    """Puts messages together under caps, and keeps answers for whoever asked."""

    def __init__(self, assoc: Association, spool: Callable[[], io.BytesIO]) -> None:
        super().__init__(assoc)
        self._spool = spool

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take the next fragments; a command without end ends the association."""
        if self.message is None:
            self.message = DIMSEMessage()
            self.message.data_set = self._spool()
        if self.message.encoded_command_set.tell() > MOST_COMMAND_BYTES:
            self.message = None
            self.dul.event_queue.put("Evt19")  # an invalid PDU: the state machine aborts
            return
        try:
            super().receive_primitive(primitive)
        except Exception:  # noqa: BLE001  # whatever a peer's command makes pynetdicom stumble over
            self.message = None
            self.dul.event_queue.put("Evt19")

    def get_msg(self, block: bool = False) -> Any:
        """Give the next message to whoever asked for it, and none to the association's own thread.

        That thread looks for requests once more after it was told to pause; a quick peer has answered by then, and
        its answer was dropped. Requests are served by whoever called.
        """
        if threading.current_thread() is self.assoc:
            return None, None
        return super().get_msg(block)


_NOTHING_COMES = frozenset(("Sta1", "Sta4"))
"""Before the association is asked for. Source: DICOM PS3.8 table 9-10."""


class Connected(AssociationSocket):
    """The socket of an association: connected before, with a cap and a deadline on each PDU."""

    def __init__(self, assoc: Association, peer: socket.socket) -> None:
        # What theirs would do is bind a socket, or take an acceptor's.
        self._assoc = assoc
        self._ready = threading.Event()
        self._is_connected = True
        self._tls_args = None
        self.select_timeout = 0.5
        self.socket = peer
        self.rejection: tuple[int, int, int] | None = None
        """Result, source and reason of an A-ASSOCIATE-RJ that came; pynetdicom may see its sender hang up first."""
        self._is_rejection = False
        peer.settimeout(SEND_DEADLINE_S)

    def connect(self, primitive: T_CONNECT) -> None:
        """Say that it is connected. Source: PS3.8 9.2.2 (Evt2)."""
        primitive.result = "Evt2"
        self.provider_queue.put(primitive)
        self._ready.set()

    @property
    def ready(self) -> bool:
        """Whether to read on: not while messages wait, so that a peer that sends ahead waits for TCP.

        Nor before the request is sent: TLS has something to read at once (tickets, RFC 8446 4.6.1), and pynetdicom's
        thread ends when it reads in a state in which nothing may come; whoever asked would wait for ever.
        """
        if self.assoc.dul.state_machine.current_state in _NOTHING_COMES:
            return False
        if self.assoc.dimse.msg_queue.qsize() >= MOST_WAITING and not planted("user-reads-ahead"):
            return False
        peer = self.socket
        if peer is None or not self._is_connected:
            return False
        if isinstance(peer, ssl.SSLSocket) and peer.pending():
            return True
        try:
            return bool(select.select([peer], [], [], 0)[0])
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False

    def recv(self, nr_bytes: int) -> bytearray:
        """Read a part of a PDU; less than asked when the peer hung up.

        Raises
        ------
        OSError
            The PDU is too long, or does not come to its end in time.
        """
        if nr_bytes > MOST_PDU_BYTES and not planted("user-pdu-cap-removed"):
            raise OSError("the PDU is too long")
        peer = self.socket
        if peer is None:
            raise OSError("the connection is closed")
        until = time.monotonic() + PDU_DEADLINE_S
        received = bytearray(nr_bytes)
        at = 0
        with memoryview(received) as view:
            while at < nr_bytes:
                if (left := until - time.monotonic()) <= 0:
                    raise TimeoutError("the PDU did not come to its end")
                peer.settimeout(left)
                count = peer.recv_into(view[at : at + _RECEIVE_BYTES])
                if not count:
                    break
                at += count
        peer.settimeout(SEND_DEADLINE_S)
        del received[at:]
        if self._is_rejection and at == _REJECTION_BYTES:
            self.rejection = (received[1], received[2], received[3])
        self._is_rejection = at == PDU_HEADER.size and received[0] == Pdu.ASSOCIATE_RJ
        return received
