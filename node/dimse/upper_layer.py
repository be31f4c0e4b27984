"""The DICOM upper layer as bytes: what an association's PDUs say, and how ours are written.

Pure: bytes in, values out, no socket. Every length is checked against the bytes
that are there. Items that this node has no use for are stepped over, as the
standard asks; leniency ends where two readers could understand two things.

Source: DICOM PS3.8 9.3 (PDUs), Annex D (user information), PS3.7 D.3.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from node.errors import InvalidRequest

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
PDU_HEADER = struct.Struct(">BxL")
"""Type and length of every PDU."""
PDV_HEADER = struct.Struct(">LBB")
"""Length, presentation context and message control of each PDV; the length counts the last two."""
COMMAND, LAST = 0x01, 0x02
"""Bits of the message control header."""
DEFAULT_MAX_PDU = 16384
"""What a peer that does not say takes; 0 when it says that it has no limit."""
MOST_CONTEXTS = 128

_FIXED_BYTES = 68
_ITEM = struct.Struct(">BxH")
_APPLICATION, _PROPOSED, _ANSWERED = 0x10, 0x20, 0x21
_ABSTRACT, _TRANSFER, _USER = 0x30, 0x40, 0x50
_MAX_LENGTH, _IMPLEMENTATION, _VERSION = 0x51, 0x52, 0x55


class Pdu(IntEnum):
    """The types of PDU."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class Reason(IntEnum):
    """Why we abort, as the service provider.

    Source: DICOM PS3.8 table 9-26.
    """

    NOT_SPECIFIED = 0
    UNRECOGNIZED = 1
    UNEXPECTED = 2
    INVALID = 6


class Malformed(InvalidRequest):
    """What came is no upper-layer protocol, or breaks it: the association ends. Check what calls this port."""

    def __init__(self, what: str, reason: Reason = Reason.INVALID) -> None:
        super().__init__(f"Reading a PDU was refused: {what}. Check what calls this port.")
        self.reason = reason


class Result(IntEnum):
    """What became of a presentation context.

    Source: DICOM PS3.8 table 9-18.
    """

    ACCEPTED = 0
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
    max_pdu_bytes: int
    """What the caller takes; 0 for no limit."""
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
    application, max_pdu = "", DEFAULT_MAX_PDU
    contexts: list[Proposed] = []
    for kind, content in _items(body[_FIXED_BYTES:]):
        if kind == _APPLICATION:
            application = _uid(content)
        elif kind == _PROPOSED:
            contexts.append(_read_context(content))
        elif kind == _USER:
            max_pdu = _read_max_length(content)
    ids = [context.id for context in contexts]
    if len(ids) > MOST_CONTEXTS or len(set(ids)) < len(ids) or any(each % 2 == 0 for each in ids):
        raise Malformed("the numbers of its presentation contexts are not odd, or one comes twice")
    return AssociateRequest(
        version=int.from_bytes(body[:2], "big"),
        called=_title(body[4:20]),
        calling=_title(body[20:36]),
        application_context=application,
        contexts=tuple(contexts),
        max_pdu_bytes=max_pdu,
        reserved=body[4:_FIXED_BYTES],
    )


def write_accept(
    request: AssociateRequest,
    answers: Sequence[Answered],
    *,
    max_pdu_bytes: int,
    implementation: str,
    version_name: str,
) -> bytes:
    """Write an A-ASSOCIATE-AC.

    Source: DICOM PS3.8 9.3.3; PS3.7 D.3.3.2.
    """
    contexts = b"".join(
        _item(
            _ANSWERED,
            bytes((answer.id, 0, answer.result, 0)) + _item(_TRANSFER, answer.transfer_syntax.encode()),
        )
        for answer in answers
    )
    user = (
        _item(_MAX_LENGTH, max_pdu_bytes.to_bytes(4, "big"))
        + _item(_IMPLEMENTATION, implementation.encode())
        + _item(_VERSION, version_name.encode())
    )
    body = b"\0\x01\0\0" + request.reserved + _item(_APPLICATION, APPLICATION_CONTEXT.encode())
    return pdu(Pdu.ASSOCIATE_AC, body + contexts + _item(_USER, user))


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
    for kind, value in _items(content[4:]):
        if kind == _ABSTRACT:
            abstract = _uid(value)
        elif kind == _TRANSFER:
            transfer.append(_uid(value))
    if not abstract:
        raise Malformed("a presentation context names no abstract syntax")
    return Proposed(id=content[0], abstract_syntax=abstract, transfer_syntaxes=tuple(filter(None, transfer)))


def _read_max_length(content: bytes) -> int:
    for kind, value in _items(content):
        if kind == _MAX_LENGTH:
            if len(value) != 4:
                raise Malformed("its maximum length is no number")
            return int.from_bytes(value, "big")
    return DEFAULT_MAX_PDU


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Step over items; each must end within its own parent."""
    at = 0
    while at < len(content):
        if at + _ITEM.size > len(content):
            raise Malformed("an item is cut off")
        kind, length = _ITEM.unpack_from(content, at)
        at += _ITEM.size
        if at + length > len(content):
            raise Malformed("an item is longer than what holds it")
        yield kind, content[at : at + length]
        at += length


def _item(kind: int, content: bytes) -> bytes:
    return _ITEM.pack(kind, len(content)) + content


def _uid(value: bytes) -> str:
    """Read a UID, padded as some senders do though PS3.8 has none; what cannot be one is refused.

    Source: DICOM PS3.8 Annex F.
    """
    try:
        return value.decode("ascii").strip(" \0")
    except UnicodeDecodeError as error:
        raise Malformed("a UID in it is not ASCII") from error


def _title(value: bytes) -> str:
    """Read an AE title; one that is none comes out as it can and is refused by the rules."""
    return value.decode("latin-1").strip(" \0")
