"""Calling a remote AE: the connection, its TLS, the association; and why there is none.

The only module of the user side that reaches into pynetdicom's upper layer. The
connection is made here, so that what failed can be said: no such name, nothing
listens, no answer, TLS, refused, broken off. What is asked in the association
is `exchange`'s.

Source: DICOM PS3.8 7.1, 9.3 (association), PS3.15 B.12 (TLS).
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from node.config import Config
from node.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from node.dimse.remote_form import Remote
from node.dimse.tls import dicom_client_context
from node.errors import InvalidRequest, Refused, Unavailable

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.presentation import PresentationContext

CONNECT_S = 5.0
ASSOCIATE_S = 10.0
RELEASE_S = 5.0
_AGAIN_S, _TRIES = 0.3, 2
MOST_CONTEXTS = 128
"""Source: PS3.8 9.3.2.2 (odd numbers up to 255)."""
MAX_PDU_BYTES = 128 << 10


class NothingTaken(Refused):
    """The remote AE takes none of the presentation contexts that were asked for."""


class _BrokeOff(Unavailable):
    """No association came about, and the remote AE did not say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """Whom to call, and as whom."""

    name: str
    """As people know it; stands in messages."""
    aet: str
    host: str
    port: int
    calling: str
    tls: ssl.SSLContext | None = None

    @property
    def who(self) -> str:
        """Say it for words: ``name (AET at host:port)``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        title = self.aet if self.name in ("", self.aet) else f"{self.name} ({self.aet})"
        return f"{title} at {host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context to ask for."""

    sop_class: str
    syntaxes: tuple[str, ...]
    we_serve: bool = False
    """We take instances of it, as C-GET brings them. Source: PS3.7 D.3.3.4 (role selection)."""


def called(config: Config, remote: Remote) -> Called:
    """Give whom a row of the remote AEs names.

    Raises
    ------
    InvalidRequest
        It wants TLS, and this node's settings for that cannot be used.
    """
    return Called(
        name=remote.name,
        aet=remote.aet,
        host=remote.host,
        port=remote.port,
        calling=remote.calling or config.aet,
        tls=dicom_client_context(config) if remote.tls else None,
    )


@contextmanager
def calling(whom: Called, proposals: Sequence[Proposal], *, spool: Any = None) -> Iterator[Association]:
    """Open an association, and release it afterwards; an exception in between aborts it.

    Parameters
    ----------
    spool
        Makes what takes the data set of a message; by default memory, under a cap.

    Raises
    ------
    Unavailable
        It cannot be reached, does not answer, or is full.
    Refused
        It answers, and does not let us in.
    InvalidRequest
        The AE title or the address cannot be one.
    """
    association = _associated(whom, proposals, spool)
    try:
        yield association
    except BaseException:
        hang_up(association)
        raise
    if association.is_established:
        association.release()
    hang_up(association)


def _associated(whom: Called, proposals: Sequence[Proposal], spool: Any) -> Association:
    """Associate; more than once where it breaks off.

    Who was restarting may be back.
    """
    for _ in range(_TRIES - 1):
        try:
            return _associate(whom, proposals, connect(whom), spool)
        except _BrokeOff:
            time.sleep(_AGAIN_S)
    return _associate(whom, proposals, connect(whom), spool)


def connect(whom: Called) -> socket.socket:
    """Connect, with TLS where it is wanted.

    Raises
    ------
    InvalidRequest, Refused, Unavailable
        It does not come about; says why.
    """
    if not 0 < whom.port < 65536:
        raise InvalidRequest(f"Calling {whom.who} was refused: a port is 1 to 65535.")
    try:
        peer = socket.create_connection((whom.host, whom.port), timeout=CONNECT_S)
    except (socket.gaierror, UnicodeError) as error:
        raise Unavailable(
            f"Calling {whom.who} failed: the address {whom.host} is not known. Check host and port."
        ) from error
    except TimeoutError as error:
        raise Unavailable(
            f"Calling {whom.who} failed: nothing answers there. Check host, port and firewalls."
        ) from error
    except ConnectionRefusedError as error:
        raise Unavailable(
            f"Calling {whom.who} failed: nothing listens there. Check host and port, and that it runs."
        ) from error
    except OSError as error:
        raise Unavailable(
            f"Calling {whom.who} failed: there is no way to it ({error.strerror}). Check host and network."
        ) from error
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer if whom.tls is None else _secured(whom, peer, whom.tls)


def _secured(whom: Called, peer: socket.socket, tls: ssl.SSLContext) -> socket.socket:
    peer.settimeout(ASSOCIATE_S)
    try:
        return tls.wrap_socket(peer, server_side=False)
    except ssl.SSLCertVerificationError as error:
        peer.close()
        raise Refused(
            f"Calling {whom.who} was refused by this node: its certificate is not trusted"
            f" ({error.verify_message}). Put it, or its authority, into [dicom] tls_trust."
        ) from error
    except OSError as error:
        peer.close()
        reason = getattr(error, "reason", None) or error.strerror or "it hung up"
        raise Unavailable(
            f"Calling {whom.who} failed: TLS did not come about ({reason}). Check that it listens with TLS there,"
            " and trusts this node's certificate."
        ) from error


def _associate(whom: Called, proposals: Sequence[Proposal], peer: socket.socket, spool: Any) -> Association:
    from pynetdicom.presentation import build_context, build_role

    from node.dimse.calling_association import CallingEntity

    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what peers do wrong is said in our words
    try:
        entity = CallingEntity(ae_title=whom.calling, peer=peer, spool=spool)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION
        entity.acse_timeout = ASSOCIATE_S
        entity.dimse_timeout = entity.network_timeout = None  # `exchange` has deadlines of its own
        contexts: list[PresentationContext] = [
            build_context(one.sop_class, list(one.syntaxes)) for one in proposals
        ]
        roles = {one.sop_class for one in proposals if one.we_serve}
        association = entity.associate(
            peer.getpeername()[0],
            whom.port,
            contexts=contexts,
            ae_title=whom.aet,
            max_pdu=MAX_PDU_BYTES,
            ext_neg=[build_role(uid, scp_role=True) for uid in sorted(roles)],
        )
    except (ValueError, TypeError) as error:
        peer.close()
        raise InvalidRequest(f"Calling {whom.who} was refused: {error}.") from error
    except OSError as error:
        peer.close()
        raise _broke_off(whom) from error
    if not association.is_established:
        hang_up(association)
        raise _why_not(association, whom, None if entity.connected is None else entity.connected.rejection)
    association.acse_timeout = RELEASE_S
    return association


def _why_not(
    association: Association, whom: Called, rejection: tuple[int, int, int] | None
) -> Unavailable | Refused:
    if association.rejected_contexts:
        return NothingTaken(
            f"Calling {whom.who} as {whom.calling} was refused: it takes none of what was asked for."
            " Have it allowed there for this node."
        )
    if rejection is None:
        return _broke_off(whom)
    return rejected(whom, *rejection)


def rejected(whom: Called, result: int, source: int, reason: int) -> Unavailable | Refused:
    """Give what an A-ASSOCIATE-RJ says, and what to do. Source: DICOM PS3.8 9.3.4."""
    words, advice = _REJECTIONS.get((source, reason), _REJECTED)
    said = f"Calling {whom.who} as {whom.calling} was refused: {words}. {advice}"
    return Unavailable(said) if result == _TRANSIENT else Refused(said)


_TRANSIENT = 2
_REJECTED = ("it gives no reason", "Check the AE titles on both sides.")
_REJECTIONS = {
    (1, 2): ("it does not speak DICOM's application context", "Check that this is a DICOM port."),
    (1, 3): ("it does not know our AE title", "Have it added at the remote AE."),
    (1, 7): ("it is not called so", "Correct the AE title of the remote AE."),
    (2, 2): ("it speaks another protocol version", "Check that this is a DICOM port."),
    (3, 1): ("it is busy", "Try again later."),
    (3, 2): ("it has too many associations", "Try again later."),
}
"""By source and reason. Source: DICOM PS3.8 table 9-21."""


def _broke_off(whom: Called) -> _BrokeOff:
    return _BrokeOff(
        f"Calling {whom.who} failed: it broke off, or did not answer in {ASSOCIATE_S:.0f} s."
        " Check that this is a DICOM port, then try again."
    )


def hang_up(association: Association) -> None:
    """Abort an association that still stands, and let go of its connection and its threads.

    Not by pynetdicom's own means: its thread may sit in the middle of a PDU that never comes to its end.
    """
    connection: Any = association.dul.socket
    peer = None if connection is None else connection.socket
    if peer is not None:
        with suppress(OSError, ValueError):
            if association.is_established:
                peer.settimeout(_ABORT_S)
                peer.sendall(_ABORT)
            peer.shutdown(socket.SHUT_RDWR)
    association.is_established = False
    until = time.monotonic() + _ABORT_S
    while association.dul.is_alive() and time.monotonic() < until:
        association.dul.kill_dul()
        association._kill = True
        time.sleep(0.002)
    if peer is not None:
        with suppress(OSError):
            peer.close()


_ABORT_S = 1.0
_ABORT = b"\x07\0\0\0\0\4\0\0\0\0"
"""Source: DICOM PS3.8 9.3.8 (A-ABORT, by the service user)."""
