"""Command sets: the requests that this node serves in its own association, and their answers.

Pure. Command sets are Implicit VR Little Endian whatever the context says.

Source: DICOM PS3.7 6.3, 9.3, E.1, E.2.
"""

from __future__ import annotations

import struct
from enum import IntEnum

import msgspec

from node.dimse.upper_layer import Malformed

MAX_COMMAND_BYTES = 64 << 10
"""A command set that is longer has no end."""
NO_DATA_SET = 0x0101
SUCCESS = 0x0000
UNRECOGNIZED_OPERATION = 0x0211
CLASS_NOT_SUPPORTED = 0x0122

_ELEMENT = struct.Struct("<HHL")
_RESPONSE = 0x8000
_SOP_CLASS, _FIELD, _MESSAGE_ID, _ANSWERED_ID = 0x0002, 0x0100, 0x0110, 0x0120
_DATA_SET_TYPE, _STATUS, _COMMENT, _SOP_INSTANCE = 0x0800, 0x0900, 0x0902, 0x1000


class Field(IntEnum):
    """Command Field values that matter here."""

    C_STORE = 0x0001
    C_ECHO = 0x0030
    C_CANCEL = 0x0FFF


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command set; an absent UID is empty."""

    field: int
    message_id: int
    has_data_set: bool
    sop_class: str
    sop_uid: str

    @property
    def is_request(self) -> bool:
        return not self.field & _RESPONSE and self.field != Field.C_CANCEL


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
    )


def write_response(command: Command, status: int, comment: str = "") -> bytes:
    """Write the answer to a request.

    Source: DICOM PS3.7 9.3.1.2 (C-STORE-RSP), 9.3.5.2 (C-ECHO-RSP).
    """
    body = b"".join(
        (
            _uid_element(_SOP_CLASS, command.sop_class),
            _short(_FIELD, command.field | _RESPONSE),
            _short(_ANSWERED_ID, command.message_id),
            _short(_DATA_SET_TYPE, NO_DATA_SET),
            _short(_STATUS, status),
            _element(_COMMENT, comment.encode("ascii", "replace"), b" ") if comment else b"",
            _uid_element(_SOP_INSTANCE, command.sop_uid),
        )
    )
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
