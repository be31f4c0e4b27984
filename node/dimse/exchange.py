"""Messages of one association as its user sees them: a request, its answers, a deadline for each.

What a peer may do wrong ends here in words: it breaks off, it does not answer, it answers something else.

Source: DICOM PS3.7 7.5, 9.1, 9.3; PS3.8 9.3.5.
"""

from __future__ import annotations

import io
import queue
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from node.dimse.calling import Called, Proposal, calling, hang_up
from node.dimse.tls import certificate_shown
from node.errors import GridError, Unavailable

if TYPE_CHECKING:
    from pynetdicom.association import Association

ANSWER_S = 60.0
"""For an answer, from the last word of either side."""
_LOOK_S = 0.2
_MOST_QUEUED = 8
"""PDUs handed to the upper layer that have not left."""
_SLOW_S = 60.0
_PDU = struct.Struct(">BxLLB")
"""Type and length of a P-DATA-TF; length and context of its one fragment. Source: PS3.8 9.3.5."""
_P_DATA = 4
_TOGETHER_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Agreed:
    """A presentation context that both sides take."""

    id: int
    sop_class: str
    syntax: str


class Exchange:
    """An open association; for one thread."""

    def __init__(self, whom: Called, association: Association) -> None:
        self.whom = whom
        self._association = association
        self._message_id = 0
        self.agreed: tuple[Agreed, ...] = tuple(
            Agreed(int(one.context_id or 0), str(one.abstract_syntax), str(one.transfer_syntax[0]))
            for one in association.accepted_contexts
        )

    @property
    def address(self) -> str:
        """Where the peer is, as its connection says."""
        where = self._association.acceptor.address_info
        return where.address if where is not None else ""

    @property
    def certificate(self) -> str:
        """SHA-256 of the certificate that the peer showed, in hex; empty without TLS."""
        connection: Any = self._association.dul.socket
        peer = None if connection is None else connection.socket
        return certificate_shown(peer) if isinstance(peer, ssl.SSLSocket) else ""

    @property
    def stands(self) -> bool:
        return bool(self._association.is_established)

    def context(self, sop_class: str, *syntaxes: str) -> Agreed | None:
        """Give the context of a SOP class, in the first of these syntaxes that was agreed; None without one."""
        found = [one for one in self.agreed if one.sop_class == sop_class]
        if not syntaxes:
            return found[0] if found else None
        return next((one for syntax in syntaxes for one in found if one.syntax == syntax), None)

    def next_message_id(self) -> int:
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def ask(self, request: Any, context: Agreed) -> None:
        """Send a request, whole as pynetdicom knows it."""
        self._association.dimse.send_msg(request, context.id)

    def ask_with(self, request: Any, context: Agreed, pieces: Iterable[bytes | memoryview]) -> None:
        """Send a request whose data set comes in pieces, in constant memory.

        Raises
        ------
        Unavailable
            The peer breaks off, or does not take it.
        Damaged
            A piece cannot be given: the message has no end, so the association must end.
        """
        from pynetdicom.dimse_messages import C_STORE_RQ

        message = C_STORE_RQ()
        message.primitive_to_message(request)
        message.data_set = io.BytesIO()  # the request only had to say that there is one
        most = self._association.dimse.maximum_pdu_size or 128 << 10
        fragments = chain(
            (
                fragment
                for part in message.encode_msg(context.id, most)
                for _, fragment in part.presentation_data_value_list
            ),
            ((b"\x02" if last else b"\x00") + chunk for chunk, last in _chunked(pieces, max(most - 6, 1))),
        )
        connection: Any = self._association.dul.socket
        peer = None if connection is None else connection.socket
        if peer is None:
            raise self.broke_off("Sending")
        if isinstance(peer, ssl.SSLSocket):
            self._send_by_turns(context, fragments)
        else:
            self._send_straight(peer, context, fragments)

    def _send_straight(self, peer: socket.socket, context: Agreed, fragments: Iterable[bytes]) -> None:
        """Write fragments to the connection as PDUs: nobody else writes while a request goes.

        pynetdicom's thread takes one PDU at a time, with its state machine between: a fifth of this.
        """
        out = bytearray()
        try:
            for fragment in fragments:
                length = len(fragment) + 1
                out += _PDU.pack(_P_DATA, length + 4, length, context.id)
                out += fragment
                if len(out) >= _TOGETHER_BYTES:
                    peer.sendall(out)
                    out.clear()
            peer.sendall(out)
        except OSError as error:
            raise self.broke_off("Sending") from error

    def _send_by_turns(self, context: Agreed, fragments: Iterable[bytes]) -> None:
        """Hand fragments to the thread that reads: a TLS connection is one thread's."""
        from pynetdicom.pdu_primitives import P_DATA

        for fragment in fragments:
            part = P_DATA()
            part.presentation_data_value_list.append((context.id, fragment))
            self._wait_for_room()
            self._association.dul.send_pdu(part)

    def next(self, *, wait_s: float, about: str, meanwhile: Callable[[], None] | None = None) -> Any:
        """Give the next message and the number of its context.

        Parameters
        ----------
        meanwhile
            Called several times a second while nothing comes.

        Raises
        ------
        Unavailable
            None came in time, or the peer broke off.
        """
        until = time.monotonic() + wait_s
        while True:
            try:
                found = self._association.dimse.msg_queue.get(timeout=_LOOK_S)
            except queue.Empty:
                if not self.stands:
                    raise self.broke_off(about) from None
                if time.monotonic() > until:
                    raise self.silent(about, wait_s) from None
                if meanwhile is not None:
                    meanwhile()
                continue
            if found[1] is None:  # so it says that the association ended
                raise self.broke_off(about)
            return found

    def answers(
        self,
        message_id: int,
        *,
        about: str,
        wait_s: float = ANSWER_S,
        serve: Callable[[Any, int], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Iterator[Any]:
        """Give the responses to a request until the last one, which is no pending one.

        Parameters
        ----------
        serve
            Takes a request of the peer that comes in between (a C-STORE of a C-GET), and its context.
        meanwhile
            Called several times a second while nothing comes.

        Raises
        ------
        Unavailable
            The peer breaks off, stays silent, or answers what was not asked.
        """
        while True:
            context_id, message = self.next(wait_s=wait_s, about=about, meanwhile=meanwhile)
            if getattr(message, "MessageIDBeingRespondedTo", None) is None:
                if serve is None:
                    raise self.strange(about)
                serve(message, context_id)
                continue
            if message.MessageIDBeingRespondedTo != message_id or not isinstance(message.Status, int):
                raise self.strange(about)
            yield message
            if message.Status not in PENDING:
                return

    def cancel(self, message_id: int, context: Agreed) -> None:
        """Ask the peer to stop. Source: PS3.7 9.3.2.3 (C-CANCEL)."""
        from pynetdicom.dimse_primitives import C_CANCEL

        request = C_CANCEL()
        request.MessageIDBeingRespondedTo = message_id
        self._association.dimse.send_msg(request, context.id)

    def abort(self) -> None:
        """Hang up on a peer that does not stop."""
        hang_up(self._association)

    def answer(self, response: Any, context_id: int) -> None:
        """Answer a request of the peer."""
        self._association.dimse.send_msg(response, context_id)

    def broke_off(self, about: str) -> Unavailable:
        return Unavailable(f"{about} failed: {self.whom.who} broke off. Try again; look into its log.")

    def silent(self, about: str, wait_s: float) -> Unavailable:
        return Unavailable(
            f"{about} failed: {self.whom.who} said nothing for {wait_s:.0f} s. Try again; look into its log."
        )

    def strange(self, about: str) -> Unavailable:
        return Unavailable(
            f"{about} failed: {self.whom.who} answered what was not asked. Have its maker look into it."
        )

    def _wait_for_room(self) -> None:
        until = time.monotonic() + _SLOW_S
        waiting = self._association.dul.to_provider_queue
        while waiting.qsize() >= _MOST_QUEUED:
            if not self.stands:
                raise self.broke_off("Sending")
            if time.monotonic() > until:
                raise self.silent("Sending", _SLOW_S)
            time.sleep(0.0005)


PENDING = frozenset({0xFF00, 0xFF01})
"""Source: DICOM PS3.4 C.4.1.1.4, C.4.2.1.5, C.4.3.1.4."""


@contextmanager
def exchange(whom: Called, proposals: Sequence[Proposal], *, spool: Any = None) -> Iterator[Exchange]:
    """Open an association for asking; raises as `calling` does, and nothing of a library's."""
    with calling(whom, proposals, spool=spool) as association:
        try:
            yield Exchange(whom, association)
        except (GridError, GeneratorExit, KeyboardInterrupt, SystemExit):
            raise
        except (OSError, RuntimeError) as error:  # pynetdicom's words for an association that ended
            raise Unavailable(
                f"Asking {whom.who} failed: the association ended ({type(error).__name__}). Try again."
            ) from error


def _chunked(pieces: Iterable[bytes | memoryview], most: int) -> Iterator[tuple[bytes, bool]]:
    """Give the pieces in chunks of a size, and which is the last."""
    held = bytearray()
    for piece in pieces:
        view = memoryview(piece).cast("B")
        at = 0
        while at < len(view):
            if len(held) == most:
                yield bytes(held), False
                held.clear()
            more = view[at : at + most - len(held)]
            held += more
            at += len(more)
    yield bytes(held), True
