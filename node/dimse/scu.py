"""Sending to others: C-ECHO and C-STORE, as whoever delivers a report needs them.

An instance goes byte for byte in its own transfer syntax. A destination that
takes the SOP class in another uncompressed one only gets it converted, as every
sender does. What becomes of a failure is for the caller to decide.

Source: DICOM PS3.4 A, B.2; PS3.8 7.1.
"""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.dicom.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION,
    Part10,
    read_part10,
)
from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.errors import InvalidRequest, Refused, Unavailable

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pynetdicom.association import Association
    from pynetdicom.events import Event
    from pynetdicom.presentation import PresentationContext

CONNECT_S = 5.0
ASSOCIATE_S = 10.0
ANSWER_S = 60.0
NO_CONTEXT = 0x0122
"""SOP class not supported: what we say when a destination takes none of our contexts. Source: PS3.7 C.5.7."""
_CONTEXTS = 128
_VERIFICATION = "1.2.840.10008.1.1"
_PLAIN = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
_STORED_WITH_WARNING = frozenset({0xB000, 0xB006, 0xB007})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a destination said to one instance."""

    sop_uid: str
    status: int | None
    """None when it did not answer."""
    comment: str

    @property
    def is_stored(self) -> bool:
        """Whether it has the instance, perhaps with a warning.

        Source: DICOM PS3.4 table B.2-1.
        """
        return self.status == 0 or self.status in _STORED_WITH_WARNING


def echo(aet: str, host: str, port: int, calling: str) -> None:
    """Ask a destination whether it hears us.

    Raises
    ------
    Unavailable
        It does not answer; the message says how far the attempt came.
    Refused
        It answers, and does not let this AE title in.
    InvalidRequest
        The AE title or the address cannot be one.
    """
    from pynetdicom.presentation import build_context

    with _association(
        aet, host, port, calling=calling, contexts=[build_context(_VERIFICATION)]
    ) as association:
        if not association.accepted_contexts:
            raise Refused(
                f"Asking {aet} for an echo was refused: it does not take C-ECHO. Check its settings."
            )
        status = association.send_c_echo()
        if "Status" not in status:
            raise Unavailable(f"Asking {aet} for an echo failed: it did not answer. Try again later.")
        if status.Status != 0:
            raise Refused(
                f"Asking {aet} for an echo was refused with status 0x{status.Status:04X}. Check its settings."
            )


def send(aet: str, host: str, port: int, calling: str, instances: Sequence[bytes]) -> list[Sent]:
    """Send DICOM files to a storage SCP and give what it said to each, in order.

    After an association that broke, the rest stand without a status; nothing is sent twice.

    Raises
    ------
    Unavailable, Refused
        No association came about; nothing was sent.
    InvalidRequest
        A file is not DICOM, or the AE title or the address cannot be one.
    """
    files = [read_part10(instance) for instance in instances]
    if any(not (file.sop_class and file.sop_uid) for file in files):
        raise InvalidRequest(
            f"Sending to {aet} was refused: a file does not say its SOP class and instance. Export it again."
        )
    sent: list[Sent] = []
    while len(sent) < len(files):
        sent += _send_some(
            aet, host, port, calling=calling, files=files[len(sent) :], raw=instances[len(sent) :]
        )
    return sent


def _send_some(
    aet: str, host: str, port: int, *, calling: str, files: Sequence[Part10], raw: Sequence[bytes]
) -> list[Sent]:
    """Send as many as one association has contexts for."""
    contexts, count = _contexts(files)
    sent: list[Sent] = []
    with _association(aet, host, port, calling=calling, contexts=contexts) as association:
        for file, instance in zip(files[:count], raw, strict=False):
            if association.is_established:
                sent.append(_store(association, file, instance))
            else:
                sent.append(Sent(sop_uid=file.sop_uid, status=None, comment="the association broke off"))
    return sent


def _contexts(files: Sequence[Part10]) -> tuple[list[PresentationContext], int]:
    """Propose each SOP class in each syntax it comes in, and in plain ones to convert to; one syntax a context."""
    from pynetdicom.presentation import build_context

    wanted: dict[tuple[str, str], None] = {}
    for count, file in enumerate(files):
        more = dict.fromkeys((file.sop_class, syntax) for syntax in (file.transfer_syntax, *_others(file)))
        if len(wanted | more) > _CONTEXTS:
            return [build_context(*one) for one in wanted], count
        wanted |= more
    return [build_context(*one) for one in wanted], len(files)


def _others(file: Part10) -> tuple[str, ...]:
    return _PLAIN if file.transfer_syntax in _PLAIN else ()


def _store(association: Association, file: Part10, instance: bytes) -> Sent:
    accepted = {
        str(context.transfer_syntax[0])
        for context in association.accepted_contexts
        if context.abstract_syntax == file.sop_class
    }
    if file.transfer_syntax in accepted:
        status = _send_as_it_is(association, instance)
    elif accepted & set(_others(file)):
        status = _send_converted(association, instance)
    else:
        words = "it does not take this SOP class in the syntax of the instance"
        return Sent(sop_uid=file.sop_uid, status=NO_CONTEXT, comment=words)
    if "Status" not in status:
        return Sent(sop_uid=file.sop_uid, status=None, comment="it did not answer")
    return Sent(
        sop_uid=file.sop_uid, status=int(status.Status), comment=str(status.get("ErrorComment", "") or "")
    )


def _send_as_it_is(association: Association, instance: bytes) -> Dataset:
    """Send the bytes of the data set untouched: pynetdicom does so from a file, so it gets one in memory."""
    from pynetdicom import _config

    _config.STORE_SEND_CHUNKED_DATASET = True
    descriptor = os.memfd_create("instance", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(instance)
        return association.send_c_store(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _send_converted(association: Association, instance: bytes) -> Dataset:
    from pydicom import dcmread

    return association.send_c_store(dcmread(io.BytesIO(instance)))


@contextmanager
def _association(
    aet: str, host: str, port: int, *, calling: str, contexts: list[PresentationContext]
) -> Iterator[Association]:
    """Open an association, and release it afterwards."""
    from pynetdicom import AE, evt

    if not 0 < port < 65536:
        raise InvalidRequest(f"Calling {aet!r} at {host}:{port} was refused: a port is 1 to 65535.")
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what peers do wrong is said in our words
    reached: list[Event] = []
    try:
        ae = AE(ae_title=calling)
        ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        ae.implementation_version_name = IMPLEMENTATION_VERSION
        ae.connection_timeout, ae.acse_timeout = CONNECT_S, ASSOCIATE_S
        ae.dimse_timeout = ae.network_timeout = ANSWER_S
        association = ae.associate(
            host, port, contexts=contexts, ae_title=aet, evt_handlers=[(evt.EVT_CONN_OPEN, reached.append)]
        )
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"Calling {aet!r} at {host}:{port} was refused: {error}.") from error
    except OSError as error:
        raise Unavailable(
            f"Calling {aet} failed: the address {host} is not known ({error}). Check host and port."
        ) from error
    _leave_answers(association)
    if not association.is_established:
        raise _why_not(association, aet, f"{host}:{port}", connected=bool(reached))
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def _leave_answers(association: Association) -> None:
    """Keep the association's own thread from taking an answer that came sooner than it paused.

    pynetdicom's thread looks for requests once more after it was told to pause. A quick peer has answered by then;
    the answer was taken for a request and dropped, and whoever sent waited a minute for it. We serve no requests here.
    """
    take = association.dimse.get_msg

    def take_elsewhere(block: bool = False) -> object:
        return (None, None) if threading.current_thread() is association else take(block)

    association.dimse.get_msg = take_elsewhere  # type: ignore[method-assign,assignment]


def _why_not(association: Association, aet: str, address: str, *, connected: bool) -> Unavailable | Refused:
    if association.is_rejected:
        answer = association.acceptor.primitive
        reason = answer.reason_str if answer is not None else "no reason given"
        transient = answer is not None and answer.result == 2
        words = f"Calling {aet} at {address} was refused: {reason}. Check the AE titles on both sides."
        return Unavailable(words) if transient else Refused(words)
    if not connected:
        return Unavailable(f"Calling {aet} failed: nothing listens at {address}. Check host and port.")
    return Unavailable(f"Calling {aet} at {address} failed: it broke off. Try again later.")
