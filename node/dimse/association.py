"""pynetdicom's association, for callers that ask for more than storage: admitted by the rules, bounded, closed.

The only module that reaches into pynetdicom's upper layer. A caller comes here
with its request already read (`reception`); its C-STOREs end in the same
session. What is decided about callers and instances is in `rules` and `store_scp`.

Source: DICOM PS3.8 7.1, 9.3 (association), PS3.7 6.3 (messages).
"""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from copy import deepcopy
from typing import Any, NamedTuple, cast

from pydicom.dataset import Dataset
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.acse import ACSE
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dul import DULServiceProvider
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_RELEASE, P_DATA
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from node.dimse.commands import MAX_COMMAND_BYTES
from node.dimse.connection import MAX_PDU_BYTES, PDU_DEADLINE_S
from node.dimse.desk import Desk, Rejection, enter
from node.dimse.guard import GuardedSocket
from node.dimse.spool import Spool
from node.dimse.store_scp import Answer, Caller, Session, StoreRequest
from node.errors import Unavailable

_LOG = logging.getLogger(__name__)


class Handed(NamedTuple):
    """A connection, and what was read from it."""

    peer: socket.socket
    address: str
    request: bytes
    certificate: str


class ReceivingServer(ThreadedAssociationServer):
    """Serves connections that somebody else accepted; ``desk`` is set by whoever makes it."""

    desk: Desk

    def server_bind(self) -> None:
        """Bind nothing: the receiver listens."""

    def server_activate(self) -> None:
        """Listen to nothing."""

    def serve(self, peer: socket.socket, address: str, request: bytes, *, certificate: str) -> None:
        """Begin the association; its threads take it from here, and give its place back."""
        handed = Handed(peer, address, request, certificate)
        ReceivingHandler(cast(Any, handed), (handed.address, 0), self)


class Reading(DULServiceProvider):
    """The thread that reads the socket; whoever waits for it is told when it ends."""

    def __init__(self, association: ReceivingAssociation) -> None:
        super().__init__(association)
        self.daemon = True

    def run_reactor(self) -> None:
        """Read until the connection ends."""
        try:
            super().run_reactor()
        except Exception as error:  # noqa: BLE001  # a thread's last line; what a peer may provoke is no defect
            _LOG.info("An association ended: %s", error)
        finally:
            # receive_pdu gives it as "nothing came", which its type does not say
            nothing: Any = None
            self.to_user_queue.put(nothing)


class Messages(DIMSEServiceProvider):
    """Puts messages together from fragments, into a spool and under a cap."""

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take the next fragments; ends the association when a command has no end."""
        association = cast(ReceivingAssociation, self.assoc)
        if self.message is None:
            self.message = DIMSEMessage()
            self.message.data_set = association.desk.new_spool()
        if self.message.encoded_command_set.tell() > MAX_COMMAND_BYTES:
            self.message = None
            self.dul.event_queue.put("Evt19")  # an invalid PDU: the state machine aborts
            return
        super().receive_primitive(primitive)


class Negotiation(ACSE):
    """Asks the rules before it negotiates."""

    def _negotiate_as_acceptor(self) -> None:
        association = cast(ReceivingAssociation, self.assoc)
        verdict = association.open()
        if verdict is None:
            super()._negotiate_as_acceptor()
            return
        self.send_reject(*verdict)
        association.kill()


class ReceivingAssociation(Association):
    """One association of the receiver."""

    def __init__(self, ae: ApplicationEntity, server: ReceivingServer, handed: Handed) -> None:
        super().__init__(ae, MODE_ACCEPTOR)
        self._server = server
        self.desk = server.desk
        self.session: Session | None = None
        self.dul = Reading(self)
        self.acse_timeout, self.network_timeout = (
            ae.acse_timeout,
            ae.network_timeout,
        )  # these set the reader's clocks
        self.dimse = Messages(self)
        self.acse = Negotiation(self)
        self._address, self._certificate = handed.address, handed.certificate

    def run_reactor(self) -> None:
        """Run to the end, and end the packs however it comes."""
        try:
            super().run_reactor()
        except Exception:  # noqa: BLE001  # a thread's last line: whatever it was, it is logged
            _LOG.exception("An association ended by a defect")
            self.abort()
        finally:
            if self.session is not None:
                self.session.close()
            self.desk.leave(self._address, self.session)

    def hang_up(self) -> None:
        """Close the connection, whatever state it is in; the threads then end by themselves."""
        connection = self.dul.socket
        if connection is not None and connection.socket is not None:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)

    def open(self) -> Rejection | None:
        """Ask whether this caller may come in; give the rejection when not.

        Source: DICOM PS3.8 9.3.4, table 9-21.
        """
        request = self.requestor.primitive
        if request is None:
            return (2, 1, 1)
        caller = Caller(
            calling=str(request.calling_ae_title or "").strip(),
            called=str(request.called_ae_title or "").strip(),
            address=self._address,
            certificate=self._certificate,
        )
        opened = enter(self.desk, caller)
        if not isinstance(opened, Session):
            return opened
        self.session = opened
        cast(GuardedSocket, self.dul.socket).deadline_s = PDU_DEADLINE_S
        return None

    def _serve_request(self, msg: object, context_id: int) -> None:
        """Serve a request; a C-STORE without its UIDs, which pynetdicom leaves unanswered, is refused with words."""
        if isinstance(msg, C_STORE) and not msg.is_valid_request and msg.MessageID is not None:
            agreed = {context.context_id: context for context in self.accepted_contexts}
            answer = store(self, msg, str(agreed[context_id].transfer_syntax[0]))
            response = C_STORE()
            response.MessageIDBeingRespondedTo = msg.MessageID
            response.AffectedSOPClassUID = msg.AffectedSOPClassUID
            response.AffectedSOPInstanceUID = msg.AffectedSOPInstanceUID
            response.Status = answer.status
            response.ErrorComment = answer.comment  # type: ignore[assignment]  # declared as None
            self.dimse.send_msg(response, context_id)
            return
        super()._serve_request(msg, context_id)  # type: ignore[arg-type]  # its own union is not exported


class ReceivingHandler(RequestHandler):
    """Makes an association of ours from a connection that was handed on."""

    server: ReceivingServer
    request: Handed  # what socketserver hands through is ours to choose

    def _create_association(self) -> Association:
        handed = self.request
        association = ReceivingAssociation(self.ae, self.server, handed)
        association.name = f"AcceptorThread-{handed.address}-{handed.peer.fileno()}"
        association.set_socket(GuardedSocket(association, handed.peer, handed.request))
        acceptor = association.acceptor
        acceptor.maximum_length = MAX_PDU_BYTES // 2
        acceptor.ae_title = self.server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = self.ae.implementation_class_uid
        acceptor.implementation_version_name = self.ae.implementation_version_name
        acceptor.supported_contexts = deepcopy(self.server.contexts)
        association.requestor.address_info = self.remote
        for event, bound in self.server._handlers.items():
            for handler, arguments in bound if isinstance(bound, list) else [bound]:
                association.bind(event, handler, arguments)
        return association


def on_store(event: Event) -> Dataset:
    """Answer a C-STORE."""
    association = cast(ReceivingAssociation, event.assoc)
    answer = store(association, cast(C_STORE, event.request), str(event.context.transfer_syntax))
    status = Dataset()
    status.Status = answer.status
    if answer.comment:
        status.ErrorComment = answer.comment
    return status


def on_acse(event: Event) -> None:
    """Hold the answer to A-RELEASE back until the index has caught up; its sender may query straight after."""
    association = cast(ReceivingAssociation, event.assoc)
    primitive = event.primitive  # type: ignore[attr-defined]  # set by the kind of event
    if isinstance(primitive, A_RELEASE) and primitive.result is None and association.session is not None:
        association.desk.released(association.session)


def store(association: ReceivingAssociation, request: C_STORE, transfer_syntax: str) -> Answer:
    """Hand a request to the association's session."""
    spool = cast(Spool, request.DataSet) if request.DataSet is not None else association.desk.new_spool()
    if association.session is None:
        return Answer(status=Unavailable.dimse, comment="the association was not admitted")
    asked = StoreRequest(
        sop_class=str(request.AffectedSOPClassUID or ""),
        sop_uid=str(request.AffectedSOPInstanceUID or ""),
        transfer_syntax=transfer_syntax,
    )
    answer = association.session.store(asked, spool.view(), refusal=spool.refusal)
    association.session.tell()
    return answer
