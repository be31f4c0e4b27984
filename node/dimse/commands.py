"""Command sets: requests and answers of C-ECHO, C-STORE, C-FIND, C-GET, C-MOVE and C-CANCEL, as bytes.

Pure. Command sets are Implicit VR Little Endian whatever the context says.

Source: DICOM PS3.7 6.3, 9.3, E.1, E.2; PS3.4 C.4.1.1.4, C.4.2.1.5, C.4.3.1.4 (statuses).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from node.dimse.items import Malformed

MAX_COMMAND_BYTES = 64 << 10
"""A command set that is longer has no end."""
NO_DATA_SET, _DATA_SET = 0x0101, 0x0001
SUCCESS = 0x0000
CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211
OUT_OF_RESOURCES = 0xA700
NO_SUB_OPERATION_SUCCEEDED = 0xA702
MOVE_DESTINATION_UNKNOWN = 0xA801
IDENTIFIER_DOES_NOT_FIT = 0xA900
SOME_FAILED = 0xB000
UNABLE_TO_PROCESS = 0xC000
CANCELLED = 0xFE00
PENDING, PENDING_SOME_KEYS_UNKNOWN = 0xFF00, 0xFF01

_ELEMENT = struct.Struct("<HHL")
_RESPONSE = 0x8000
_SOP_CLASS, _FIELD, _MESSAGE_ID, _ANSWERED_ID = 0x0002, 0x0100, 0x0110, 0x0120
_DESTINATION, _PRIORITY, _DATA_SET_TYPE, _STATUS, _COMMENT = 0x0600, 0x0700, 0x0800, 0x0900, 0x0902
_SOP_INSTANCE, _REMAINING, _COMPLETED, _FAILED, _WARNINGS = 0x1000, 0x1020, 0x1021, 0x1022, 0x1023
_ORIGINATOR, _ORIGINATOR_ID = 0x1030, 0x1031
_MEDIUM = 0x0000
_MAX_SHORT = 0xFFFF


class Field(IntEnum):
    """Command Field values that matter here."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    C_CANCEL = 0x0FFF


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command set; an absent UID is empty."""

    field: int
    message_id: int
    has_data_set: bool
    sop_class: str
    sop_uid: str
    answered_id: int = 0
    """The message that this one answers or cancels."""
    status: int = 0
    """Of an answer."""
    destination: str = ""
    """The AE title that a C-MOVE names."""

    @property
    def is_request(self) -> bool:
        return not self.field & _RESPONSE and self.field != Field.C_CANCEL

    def answers(self, field: Field, message_id: int) -> bool:
        """Say whether this is the answer to a request."""
        return self.field == field | _RESPONSE and self.answered_id == message_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Sub-operations of a C-GET or C-MOVE. Source: DICOM PS3.7 9.1.3.1, 9.1.4.1."""

    remaining: int = 0
    completed: int = 0
    failed: int = 0
    warnings: int = 0


def read_command(content: bytes) -> Command:
    """Read a command set.

    Raises
    ------
    Malformed
        It is cut off, belongs to another group, or says not what it is.
    """
    values: dict[int, bytes] = {}
    at = 0
    while at < len(content):
        if at + _ELEMENT.size > len(content):
            raise Malformed("a command set is cut off")
        group, element, length = _ELEMENT.unpack_from(content, at)
        at += _ELEMENT.size
        if group != 0 or length > len(content) - at:
            raise Malformed("a command set is cut off, or holds what is no command")
        values[element] = content[at : at + length]
        at += length
    return Command(
        field=_number(values, _FIELD),
        message_id=_number(values, _MESSAGE_ID, default=0),
        has_data_set=_number(values, _DATA_SET_TYPE) != NO_DATA_SET,
        sop_class=_text(values, _SOP_CLASS),
        sop_uid=_text(values, _SOP_INSTANCE),
        answered_id=_number(values, _ANSWERED_ID, default=0),
        status=_number(values, _STATUS, default=0),
        destination=_text(values, _DESTINATION),
    )


def write_response(
    command: Command,
    status: int,
    comment: str = "",
    *,
    counts: Counts | None = None,
    has_data_set: bool = False,
) -> bytes:
    """Write the answer to a request.

    Source: DICOM PS3.7 9.3.1.2 (C-STORE-RSP), 9.3.2.2 (C-FIND-RSP), 9.3.3.2 (C-GET-RSP), 9.3.4.2 (C-MOVE-RSP),
    9.3.5.2 (C-ECHO-RSP).
    """
    return _command_set(
        (
            _uid_element(_SOP_CLASS, command.sop_class),
            _short(_FIELD, command.field | _RESPONSE),
            _short(_ANSWERED_ID, command.message_id),
            _short(_DATA_SET_TYPE, _DATA_SET if has_data_set else NO_DATA_SET),
            _short(_STATUS, status),
            _element(_COMMENT, comment.encode("ascii", "replace"), b" ") if comment else b"",
            _uid_element(_SOP_INSTANCE, command.sop_uid),
            _counts(counts, status) if counts is not None else b"",
        )
    )


def write_store_request(
    message_id: int, *, sop_class: str, sop_uid: str, originator: tuple[str, int] | None = None
) -> bytes:
    """Write a C-STORE-RQ; its data set follows.

    Parameters
    ----------
    originator
        AE title and message ID of the C-MOVE that this is a part of.

    Source: DICOM PS3.7 9.3.1.1.
    """
    origin = b""
    if originator is not None:
        title, moving = originator
        origin = _element(_ORIGINATOR, title.encode("ascii", "replace"), b" ") + _short(
            _ORIGINATOR_ID, moving
        )
    return _command_set(
        (
            _uid_element(_SOP_CLASS, sop_class),
            _short(_FIELD, Field.C_STORE),
            _short(_MESSAGE_ID, message_id),
            _short(_PRIORITY, _MEDIUM),
            _short(_DATA_SET_TYPE, _DATA_SET),
            _uid_element(_SOP_INSTANCE, sop_uid),
            origin,
        )
    )


def _counts(counts: Counts, status: int) -> bytes:
    """Write counts; what remains is said only while some may remain. Source: DICOM PS3.7 9.1.3.1.9."""
    remaining = _short(_REMAINING, min(counts.remaining, _MAX_SHORT))
    return (
        (remaining if status in (PENDING, CANCELLED) else b"")
        + _short(_COMPLETED, min(counts.completed, _MAX_SHORT))
        + _short(_FAILED, min(counts.failed, _MAX_SHORT))
        + _short(_WARNINGS, min(counts.warnings, _MAX_SHORT))
    )


def _command_set(elements: Iterable[bytes]) -> bytes:
    body = b"".join(elements)
    return _element(0, len(body).to_bytes(4, "little")) + body


def _number(values: dict[int, bytes], element: int, *, default: int | None = None) -> int:
    value = values.get(element)
    if value is None and default is not None:
        return default
    if value is None or len(value) != 2:
        raise Malformed(f"a command set lacks (0000,{element:04X}), or says it badly")
    return int.from_bytes(value, "little")


def _text(values: dict[int, bytes], element: int) -> str:
    return values.get(element, b"").decode("latin-1").strip(" \0")


def _uid_element(element: int, uid: str) -> bytes:
    return _element(element, uid.encode("latin-1", "replace")) if uid else b""


def _short(element: int, number: int) -> bytes:
    return _element(element, number.to_bytes(2, "little"))


def _element(element: int, value: bytes, padding: bytes = b"\0") -> bytes:
    padded = value + padding if len(value) % 2 else value
    return _ELEMENT.pack(0, element, len(padded)) + padded
