"""One association, from its connection to its end, in one thread.

Reads the upper layer itself: an instance goes from the socket into its place
without a copy and without a queue. What is asked by query and retrieval is
`inquiry`'s, which comes in with the first of them.

Source: DICOM PS3.8 7, 9.2 (association, its states), PS3.7 6.3, 9.3.1, 9.3.5 (messages).
"""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from node.dimse.commands import (
    CLASS_NOT_SUPPORTED,
    MAX_COMMAND_BYTES,
    OUT_OF_RESOURCES,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
    Command,
    Field,
    read_command,
    write_response,
)
from node.dimse.connection import (
    ASSOCIATE_DEADLINE_S,
    IDLE_S,
    MAX_PDU_BYTES,
    PDU_DEADLINE_S,
    Connection,
    HungUp,
    TooLate,
)
from node.dimse.conversation import MAX_IDENTIFIER_BYTES, Conversation
from node.dimse.desk import Desk, Rejection, enter
from node.dimse.intake import Intake
from node.dimse.items import Malformed, Reason
from node.dimse.negotiating import Negotiated, Offer, negotiate
from node.dimse.rules import NOTHING
from node.dimse.services import is_query
from node.dimse.store_scp import Caller, Session, StoreRequest
from node.dimse.upper_layer import (
    APPLICATION_CONTEXT,
    COMMAND,
    LAST,
    PDU_HEADER,
    PDV_HEADER,
    AssociateRequest,
    Pdu,
    read_associate,
    write_abort,
    write_accept,
    write_command,
    write_reject,
    write_release,
)
from node.dimse.words import comment_of
from node.errors import Damaged, GridError
from node.failpoints import planted

if TYPE_CHECKING:
    import ssl

    from node.dimse.inquiry import Inquirer

_INQUIRIES = frozenset((Field.C_FIND, Field.C_GET, Field.C_MOVE))
_LOG = logging.getLogger(__name__)


class Reception:
    """A connection, and the association that it may become."""

    def __init__(
        self, desk: Desk, peer: socket.socket, address: str, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._desk = desk
        self._peer = peer
        self._address = address
        self._tls = tls
        self._certificate = ""
        self._connection = Connection(peer)
        self._session: Session | None = None
        self._syntaxes: dict[int, str] = {}
        """Of the contexts that were agreed, by their number."""
        self._storing: frozenset[int] = frozenset()
        """Those of them that take instances."""
        self._asking: frozenset[int] = frozenset()
        """Those of them that take queries and retrievals."""
        self._negotiated: Negotiated | None = None
        self._peer_takes = 0
        self._command = bytearray()
        self._waiting: tuple[int, Command] | None = None
        """The request whose data set is coming, and its context."""
        self._asked: tuple[StoreRequest, bytes] | None = None
        """What is asked to be stored, and the answer that it gets if all goes well."""
        self._intake: Intake | None = None
        """Takes its data set."""
        self._identifier: bytearray | None = None
        """What is asked by a query or retrieval, while it comes in."""
        self._who: Inquirer | None = None
        """What the caller may see, once somebody asked."""

    def run(self) -> None:
        """Serve it to its end, however that comes. Never raises."""
        wait = False
        try:
            if self._tls is not None:
                self._shake_hands(self._tls)
            self._associate()
            wait = self._session is not None and self._serve()
        except (HungUp, TooLate, OSError) as error:
            _LOG.info("An association ended: %s", error or type(error).__name__)
        except Malformed as error:
            _LOG.info("An association was aborted: %s", error.message)
            wait = self._abort(error.reason)
        except Damaged as error:
            _LOG.warning("An association was aborted, since what it was sent broke off: %s", error.message)
            wait = self._abort(Reason.NOT_SPECIFIED)
        except Exception:  # noqa: BLE001  # a thread's last line: whatever it was, it is logged
            _LOG.exception("An association ended by a defect")
            wait = self._abort(Reason.NOT_SPECIFIED)
        finally:
            self._end(wait=wait)

    def abort(self) -> None:
        """End it from another thread, telling the peer. Never raises."""
        self._abort(Reason.NOT_SPECIFIED)
        self._connection.hang_up()

    def _shake_hands(self, tls: ssl.SSLContext) -> None:
        """Begin TLS; who shows no certificate that is accepted gets no further.

        Source: DICOM PS3.15 B.12.
        """
        self._peer.settimeout(ASSOCIATE_DEADLINE_S)
        try:
            secured = tls.wrap_socket(self._peer, server_side=True)
        except OSError as error:
            self._desk.refuse_handshake(self._address, getattr(error, "reason", "") or str(error))
            raise
        from node.dimse.tls import certificate_shown

        self._certificate = certificate_shown(secured)
        self._peer, self._connection = secured, Connection(secured)

    def _end(self, *, wait: bool) -> None:
        if self._intake is not None:
            self._intake.drop()
        if self._session is not None:
            self._session.close()
        self._connection.close(wait=wait)
        self._desk.leave(self._address, self._session)

    def _abort(self, reason: Reason) -> bool:
        with suppress(OSError):
            self._connection.send(write_abort(reason))
        return True

    def _associate(self) -> None:
        """Make an association, or reject it."""
        connection = self._connection
        connection.allow(ASSOCIATE_DEADLINE_S)
        kind, length = self._next_pdu()
        if kind != Pdu.ASSOCIATE_RQ:
            raise Malformed("it does not begin with an association request", Reason.UNEXPECTED)
        body = bytearray(length)
        connection.fill(memoryview(body))
        request = read_associate(bytes(body))
        rejection = self._admit(request)
        if rejection is not None:
            connection.send(write_reject(*rejection))
            connection.close(wait=True)
            return
        admitted = self._opened.admitted
        negotiated = negotiate(request, Offer(stores=admitted.stores, reads=admitted.reads != NOTHING))
        self._negotiated = negotiated
        self._syntaxes = {number: each.transfer_syntax for number, each in negotiated.contexts.items()}
        self._storing = frozenset(number for number, each in negotiated.contexts.items() if each.stores)
        self._asking = frozenset(
            number for number, each in negotiated.contexts.items() if is_query(each.abstract_syntax)
        )
        self._peer_takes = request.user.max_pdu_bytes
        connection.send(write_accept(request, negotiated.answers, negotiated.user))

    def _admit(self, request: AssociateRequest) -> Rejection | None:
        """Decide whether a caller may come in; give the rejection when not.

        Source: DICOM PS3.8 9.3.4, table 9-21.
        """
        if not request.version & 1:
            return (1, 2, 2)
        if request.application_context != APPLICATION_CONTEXT:
            return (1, 1, 2)
        for title, reason in ((request.calling, 3), (request.called, 7)):
            if not (title and title.isascii() and title.isprintable()):
                return (1, 1, reason)
        opened = enter(self._desk, self._caller(request))
        if not isinstance(opened, Session):
            return opened
        self._session = opened
        return None

    def _caller(self, request: AssociateRequest) -> Caller:
        return Caller(
            calling=request.calling,
            called=request.called,
            address=self._address,
            certificate=self._certificate,
        )

    def _serve(self) -> bool:
        """Serve PDUs until one ends the association; says whether the peer has something left to read."""
        while True:
            self._connection.wait(IDLE_S)
            self._connection.allow(PDU_DEADLINE_S)
            kind, length = self._next_pdu()
            if kind == Pdu.DATA:
                self._data(length)
            elif kind == Pdu.RELEASE_RQ:
                self._drop_rest(length)
                if self._session is not None:
                    self._desk.released(self._session)
                self._connection.send(write_release())
                return True
            elif kind == Pdu.ABORT:
                return False
            elif kind in tuple(Pdu):
                raise Malformed("a PDU came that has no place in an association", Reason.UNEXPECTED)
            else:
                raise Malformed("a PDU of no known type came", Reason.UNRECOGNIZED)

    def _next_pdu(self) -> tuple[int, int]:
        kind, length = PDU_HEADER.unpack(self._connection.read(PDU_HEADER.size))
        if length > MAX_PDU_BYTES and not planted("pdu-cap-removed"):
            raise Malformed(f"a PDU says {length} bytes, {MAX_PDU_BYTES} are read")
        return kind, length

    def _drop_rest(self, length: int) -> None:
        self._connection.fill(memoryview(bytearray(length)))

    def _data(self, left: int) -> None:
        """Take the PDVs of one P-DATA-TF."""
        while left:
            if left < PDV_HEADER.size:
                raise Malformed("a fragment is cut off")
            length, context, control = PDV_HEADER.unpack(self._connection.read(PDV_HEADER.size))
            left -= 4 + length
            if length < 2 or left < 0:
                raise Malformed("a fragment does not fit into its PDU")
            if context not in self._syntaxes:
                raise Malformed("a fragment came in a context that was not agreed")
            if control & COMMAND:
                self._take_command(context, length - 2, last=bool(control & LAST))
            else:
                self._take_data(context, length - 2, last=bool(control & LAST))

    def _take_command(self, context: int, length: int, *, last: bool) -> None:
        if self._waiting is not None:
            raise Malformed("a command came amid a data set", Reason.UNEXPECTED)
        if len(self._command) + length > MAX_COMMAND_BYTES:
            raise Malformed("a command has no end")
        piece = bytearray(length)
        self._connection.fill(memoryview(piece))
        self._command += piece
        if not last:
            return
        command = read_command(bytes(self._command))
        self._command.clear()
        if command.is_request and command.field == Field.C_STORE and context in self._storing:
            asked = StoreRequest(
                sop_class=command.sop_class,
                sop_uid=command.sop_uid,
                transfer_syntax=self._syntaxes[context],
            )
            # Made now, while its sender is busy sending: afterwards she waits for each line that this thread runs.
            self._asked = (asked, self._response(context, command, SUCCESS))
            self._intake = self._opened.intake(asked)
        elif command.field in _INQUIRIES and context in self._asking:
            self._identifier = bytearray()
        if command.has_data_set:
            self._waiting = (context, command)
        else:
            self._answer(context, command)

    def _take_data(self, context: int, length: int, *, last: bool) -> None:
        if self._waiting is None or self._waiting[0] != context:
            raise Malformed("a data set came without its command", Reason.UNEXPECTED)
        if self._intake is None:
            self._take_identifier(length)
        else:
            while length:
                place = self._intake.place(length)
                self._connection.fill(place)
                self._intake.filled(len(place))
                length -= len(place)
        if last:
            (_, command), self._waiting = self._waiting, None
            self._answer(context, command)

    def _take_identifier(self, length: int) -> None:
        """Take a piece of what is asked; of a data set that belongs to nothing it is dropped."""
        piece = memoryview(bytearray(length))
        self._connection.fill(piece)
        if self._identifier is not None:
            if len(self._identifier) + length > MAX_IDENTIFIER_BYTES:
                raise Malformed("an identifier has no end")
            self._identifier += piece

    def _answer(self, context: int, command: Command) -> None:
        """Answer a request that is whole; C-CANCEL and stray responses have none."""
        if self._intake is not None and self._asked is not None:
            self._answer_store(context, command, self._intake, *self._asked)
        elif self._identifier is not None:
            identifier, self._identifier = bytes(self._identifier), None
            self._inquire(context, command, identifier)
        elif command.field == Field.C_ECHO:
            self._connection.send(self._response(context, command, SUCCESS))
        elif command.is_request:
            unknown = command.field != Field.C_STORE
            status = UNRECOGNIZED_OPERATION if unknown else CLASS_NOT_SUPPORTED
            self._connection.send(self._response(context, command, status))

    def _inquire(self, context: int, command: Command, identifier: bytes) -> None:
        """Carry out a query or retrieval, and answer it."""
        from node.dimse.inquiry import Inquiry

        assert self._negotiated is not None
        try:
            self._who = who = self._who or self._desk.inquirer(self._opened)
        except GridError as error:
            self._connection.send(self._response(context, command, OUT_OF_RESOURCES, comment_of(error)))
            return
        conversation = Conversation(self._connection, peer_takes=self._peer_takes)
        Inquiry(who, conversation, self._negotiated, context, command).answer(identifier)

    def _answer_store(
        self, context: int, command: Command, intake: Intake, asked: StoreRequest, response: bytes
    ) -> None:
        """Store an instance and answer; ``response`` says that all went well."""
        answer = self._opened.finish(asked, intake)
        if answer.status != SUCCESS:
            response = self._response(context, command, answer.status, answer.comment)
        self._connection.send(response)
        self._asked = self._intake = None
        intake.drop()
        self._opened.tell()

    def _response(self, context: int, command: Command, status: int, comment: str = "") -> bytes:
        return write_command(context, write_response(command, status, comment), self._peer_takes)

    @property
    def _opened(self) -> Session:
        assert self._session is not None
        return self._session
