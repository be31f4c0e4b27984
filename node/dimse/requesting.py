"""An association that this node opens to send instances, with its own upper layer.

Each SOP class is proposed in each syntax that it is held in, one context for
each, and in one more for what must be converted: so the peer says of each
syntax whether it takes it.

Source: DICOM PS3.8 7.1, 9.3.2, 9.3.3; PS3.4 B.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.dimse.calling import Called, connect, rejected
from node.dimse.connection import ASSOCIATE_DEADLINE_S, MAX_PDU_BYTES, Connection, HungUp, TooLate
from node.dimse.conversation import Conversation
from node.dimse.items import Malformed, Reason
from node.dimse.upper_layer import (
    MOST_CONTEXTS,
    PDU_HEADER,
    Pdu,
    Proposed,
    read_accept,
    write_abort,
    write_associate,
    write_release_request,
)
from node.dimse.user_information import UserInformation
from node.errors import Unavailable

_RELEASE_S = 10.0


class Sending:
    """An association on which this node sends instances."""

    def __init__(
        self, connection: Connection, contexts: Mapping[tuple[str, str], int], peer_takes: int
    ) -> None:
        self._connection = connection
        self.contexts = contexts
        """Those that were accepted, by SOP class and transfer syntax."""
        self.conversation = Conversation(connection, peer_takes=peer_takes)

    def release(self) -> None:
        """End it in order. Never raises: everything was answered for."""
        with suppress(OSError, HungUp, TooLate, Malformed):
            self._connection.send(write_release_request())
            self._connection.allow(_RELEASE_S)
            self._connection.read(PDU_HEADER.size)
        self._connection.close(wait=False)

    def abort(self) -> None:
        """End it at once. Never raises."""
        with suppress(OSError):
            self._connection.send(write_abort(Reason.NOT_SPECIFIED, by_user=True))
        self._connection.close(wait=False)


def open_sending(whom: Called, held: Iterable[tuple[str, str]]) -> Sending:
    """Open an association for instances of these SOP classes and transfer syntaxes.

    Raises
    ------
    InvalidRequest, Refused, Unavailable
        Nobody answers there, or who does refuses; says what to do.
    """
    what = f"Opening an association with {whom.who}"
    peer = connect(whom)
    connection = Connection(peer)
    proposed = _proposed(held)
    try:
        user = UserInformation(max_pdu_bytes=MAX_PDU_BYTES // 2)
        connection.send(write_associate(proposed, user, calling=whom.calling, called=whom.aet))
        connection.allow(ASSOCIATE_DEADLINE_S)
        kind, length = PDU_HEADER.unpack(connection.read(PDU_HEADER.size))
        if kind not in (Pdu.ASSOCIATE_AC, Pdu.ASSOCIATE_RJ) or length > MAX_PDU_BYTES:
            raise Malformed("it is no answer to an association request")
        body = bytearray(length)
        connection.fill(memoryview(body))
        if kind == Pdu.ASSOCIATE_RJ:
            result, source, reason = body[1:4] if length >= 4 else (0, 0, 0)
            raise rejected(whom, result, source, reason)
        accepted, said = read_accept(bytes(body))
    except (OSError, HungUp, TooLate, Malformed) as error:
        connection.close(wait=False)
        raise Unavailable(
            f"{what} failed: it does not answer as DICOM. Check the port, then try again."
        ) from error
    except BaseException:
        connection.close(wait=False)
        raise
    contexts = {
        (each.abstract_syntax, accepted[each.id]): each.id
        for each in reversed(proposed)
        if each.id in accepted
    }
    return Sending(connection, contexts, said.max_pdu_bytes)


def _proposed(held: Iterable[tuple[str, str]]) -> list[Proposed]:
    """Give contexts: each as held first, then what it can be converted to."""
    pairs = sorted(set(held))
    classes = dict.fromkeys(sop_class for sop_class, _ in pairs)
    wanted: list[tuple[str, tuple[str, ...]]] = [(sop_class, (syntax,)) for sop_class, syntax in pairs]
    wanted += [(sop_class, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)) for sop_class in classes]
    wanted += [(sop_class, (IMPLICIT_LITTLE,)) for sop_class in classes]
    return [
        Proposed(id=2 * n + 1, abstract_syntax=sop_class, transfer_syntaxes=syntaxes)
        for n, (sop_class, syntaxes) in enumerate(dict.fromkeys(wanted))
        if n < MOST_CONTEXTS
    ]
