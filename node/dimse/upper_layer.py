"""The DICOM upper layer as bytes: what an association's PDUs say, and how ours are written.

Pure: bytes in, values out, no socket. Every length is checked against the bytes
that are there. Items that this node has no use for are stepped over, as the
standard asks; leniency ends where two readers could understand two things.

Source: DICOM PS3.8 9.3 (PDUs), Annex D (user information), PS3.7 D.3.3.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from node.dimse.items import Malformed, Reason, read_items, read_uid, write_item
from node.dimse.user_information import UserInformation, read_user_information, write_user_information

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
PDU_HEADER = struct.Struct(">BxL")
"""Type and length of every PDU."""
PDV_HEADER = struct.Struct(">LBB")
"""Length, presentation context and message control of each PDV; the length counts the last two."""
COMMAND, LAST = 0x01, 0x02
"""Bits of the message control header."""
MOST_CONTEXTS = 128

_FIXED_BYTES = 68
_APPLICATION, _PROPOSED, _ANSWERED = 0x10, 0x20, 0x21
_ABSTRACT, _TRANSFER, _USER = 0x30, 0x40, 0x50


class Pdu(IntEnum):
    """The types of PDU."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class Result(IntEnum):
    """What became of a presentation context.

    Source: DICOM PS3.8 table 9-18.
    """

    ACCEPTED = 0
    USER_REJECTION = 1
    NO_ABSTRACT_SYNTAX = 3
    NO_TRANSFER_SYNTAX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A presentation context that the caller asks for."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What we say to one; the transfer syntax means something when it was accepted."""

    id: int
    result: Result
    transfer_syntax: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateRequest:
    """An A-ASSOCIATE-RQ."""

    version: int
    called: str
    calling: str
    application_context: str
    contexts: tuple[Proposed, ...]
    user: UserInformation
    reserved: bytes
    """Titles and reserved bytes as they came: the answer repeats them."""


def read_associate(body: bytes) -> AssociateRequest:
    """Read the body of an A-ASSOCIATE-RQ.

    Raises
    ------
    Malformed
        It is cut off, or its items do not fit into each other.

    Source: DICOM PS3.8 9.3.2.
    """
    if len(body) < _FIXED_BYTES:
        raise Malformed("an association request is cut off")
    application, user = "", UserInformation()
    contexts: list[Proposed] = []
    for kind, content in read_items(body[_FIXED_BYTES:]):
        if kind == _APPLICATION:
            application = read_uid(content)
        elif kind == _PROPOSED:
            contexts.append(_read_context(content))
        elif kind == _USER:
            user = read_user_information(content)
    ids = [context.id for context in contexts]
    if len(ids) > MOST_CONTEXTS or len(set(ids)) < len(ids) or any(each % 2 == 0 for each in ids):
        raise Malformed("the numbers of its presentation contexts are not odd, or one comes twice")
    return AssociateRequest(
        version=int.from_bytes(body[:2], "big"),
        called=_title(body[4:20]),
        calling=_title(body[20:36]),
        application_context=application,
        contexts=tuple(contexts),
        user=user,
        reserved=body[4:_FIXED_BYTES],
    )


def write_accept(request: AssociateRequest, answers: Sequence[Answered], user: UserInformation) -> bytes:
    """Write an A-ASSOCIATE-AC.

    Source: DICOM PS3.8 9.3.3; PS3.7 D.3.3.2.
    """
    contexts = b"".join(
        write_item(
            _ANSWERED,
            bytes((answer.id, 0, answer.result, 0)) + write_item(_TRANSFER, answer.transfer_syntax.encode()),
        )
        for answer in answers
    )
    head = b"\0\x01\0\0" + request.reserved + write_item(_APPLICATION, APPLICATION_CONTEXT.encode())
    return pdu(Pdu.ASSOCIATE_AC, head + contexts + write_item(_USER, write_user_information(user)))


def write_associate(
    contexts: Sequence[Proposed], user: UserInformation, *, calling: str, called: str
) -> bytes:
    """Write an A-ASSOCIATE-RQ.

    Source: DICOM PS3.8 9.3.2.
    """
    titles = called.ljust(16).encode("ascii") + calling.ljust(16).encode("ascii") + bytes(32)
    proposed = b"".join(
        write_item(
            _PROPOSED,
            bytes((context.id, 0, 0, 0))
            + write_item(_ABSTRACT, context.abstract_syntax.encode())
            + b"".join(write_item(_TRANSFER, syntax.encode()) for syntax in context.transfer_syntaxes),
        )
        for context in contexts
    )
    head = b"\0\x01\0\0" + titles + write_item(_APPLICATION, APPLICATION_CONTEXT.encode())
    return pdu(Pdu.ASSOCIATE_RQ, head + proposed + write_item(_USER, write_user_information(user)))


def read_accept(body: bytes) -> tuple[dict[int, str], UserInformation]:
    """Read the body of an A-ASSOCIATE-AC: the transfer syntax of each context that was accepted, and the rest.

    Raises
    ------
    Malformed
        It is cut off, or its items do not fit into each other.

    Source: DICOM PS3.8 9.3.3.
    """
    if len(body) < _FIXED_BYTES:
        raise Malformed("an answer to an association request is cut off")
    accepted, user = dict[int, str](), UserInformation()
    for kind, content in read_items(body[_FIXED_BYTES:]):
        if kind == _ANSWERED:
            if len(content) < 4:
                raise Malformed("an answer to a presentation context is cut off")
            syntaxes = [read_uid(value) for kind, value in read_items(content[4:]) if kind == _TRANSFER]
            if content[2] == Result.ACCEPTED and syntaxes:
                accepted[content[0]] = syntaxes[0]
        elif kind == _USER:
            user = read_user_information(content)
    return accepted, user


def write_reject(result: int, source: int, reason: int) -> bytes:
    """Write an A-ASSOCIATE-RJ.

    Source: DICOM PS3.8 9.3.4.
    """
    return pdu(Pdu.ASSOCIATE_RJ, bytes((0, result, source, reason)))


def write_release() -> bytes:
    """Write an A-RELEASE-RP.

    Source: DICOM PS3.8 9.3.7.
    """
    return pdu(Pdu.RELEASE_RP, bytes(4))


def write_release_request() -> bytes:
    """Write an A-RELEASE-RQ.

    Source: DICOM PS3.8 9.3.6.
    """
    return pdu(Pdu.RELEASE_RQ, bytes(4))


def write_abort(reason: Reason, *, by_user: bool = False) -> bytes:
    """Write an A-ABORT, from the service provider unless a user asked for it.

    Source: DICOM PS3.8 9.3.8.
    """
    return pdu(Pdu.ABORT, bytes((0, 0, 0 if by_user else 2, reason)))


def write_command(context: int, command: bytes, max_pdu_bytes: int) -> bytes:
    """Write P-DATA-TF PDUs that carry a command set, cut to what the peer takes.

    Source: DICOM PS3.8 9.3.5, Annex E.2.
    """
    room = len(command) if not max_pdu_bytes else max(max_pdu_bytes - PDV_HEADER.size, 1)
    written = []
    for at in range(0, len(command), room):
        piece = command[at : at + room]
        control = COMMAND | (LAST if at + room >= len(command) else 0)
        written.append(pdu(Pdu.DATA, PDV_HEADER.pack(len(piece) + 2, context, control) + piece))
    return b"".join(written)


def pdu(kind: Pdu, body: bytes) -> bytes:
    """Put a header before a body."""
    return PDU_HEADER.pack(kind, len(body)) + body


def _read_context(content: bytes) -> Proposed:
    if len(content) < 4:
        raise Malformed("a presentation context is cut off")
    abstract, transfer = "", []
    for kind, value in read_items(content[4:]):
        if kind == _ABSTRACT:
            abstract = read_uid(value)
        elif kind == _TRANSFER:
            transfer.append(read_uid(value))
    if not abstract:
        raise Malformed("a presentation context names no abstract syntax")
    return Proposed(id=content[0], abstract_syntax=abstract, transfer_syntaxes=tuple(filter(None, transfer)))


def _title(value: bytes) -> str:
    """Read an AE title; one that is none comes out as it can and is refused by the rules."""
    return value.decode("latin-1").strip(" \0")
