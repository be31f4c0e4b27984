"""Items of A-ASSOCIATE PDUs, nested by length; and what is wrong with bytes that are none.

Pure. Every length is checked against the bytes that are there.

Source: DICOM PS3.8 9.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

from node.errors import InvalidRequest

_ITEM = struct.Struct(">BxH")


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


def read_items(content: bytes) -> Iterator[tuple[int, bytes]]:
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


def write_item(kind: int, content: bytes) -> bytes:
    """Write an item."""
    return _ITEM.pack(kind, len(content)) + content


def read_uid(value: bytes) -> str:
    """Read a UID, padded as some senders do though PS3.8 has none; what cannot be one is refused.

    Source: DICOM PS3.8 Annex F.
    """
    try:
        return value.decode("ascii").strip(" \0")
    except UnicodeDecodeError as error:
        raise Malformed("a UID in it is not ASCII") from error
