"""DICOM files: file meta information apart from the data set, read and written.

A file without the preamble is read when it begins with its meta information; a
wrong group length is not trusted. What has no meta information is no DICOM file
here, since nothing says how it is encoded.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from node.dicom.walk import refused
from node.errors import InvalidRequest

PREAMBLE = bytes(128) + b"DICM"
IMPLEMENTATION_CLASS_UID = "2.25.304716253942718469230651280737261417042"
IMPLEMENTATION_VERSION = "MERIDIAN_1"

MAX_META_BYTES = 64 << 10
"""Where meta information must have ended in a file that is still coming."""

_META_GROUP = b"\x02\x00"
_MEDIA_SOP_CLASS, _MEDIA_SOP_INSTANCE, _TRANSFER_SYNTAX = 0x0002, 0x0003, 0x0010
_AE_TITLE = re.compile(r"[ !-\[\]-~]{1,16}")
_LONG = (b"OB", b"OW", b"UN", b"UT", b"SQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part10:
    """A DICOM file taken apart; nothing of it is copied but the meta information."""

    file_meta: bytes
    """Group 0002 as it stands, with its group length."""
    transfer_syntax: str
    sop_class: str
    sop_uid: str
    data_set: memoryview


class MetaElement(NamedTuple):
    """An element of group 0002; offsets in bytes."""

    tag: int
    vr: bytes
    start: int
    value: int
    end: int


def read_part10(file: bytes | memoryview) -> Part10:
    """Take a file apart.

    Raises
    ------
    InvalidRequest
        It is not a DICOM file, or does not say its transfer syntax.

    Source: DICOM PS3.10 7.1.
    """
    raw = memoryview(file).cast("B")
    begin = _begin(raw)
    end, values = _meta_texts(raw, begin)
    transfer_syntax = values.get(_TRANSFER_SYNTAX, "")
    if not transfer_syntax:
        raise InvalidRequest(
            "Reading a DICOM file was refused: it does not say its transfer syntax. Export it again."
        )
    return Part10(
        file_meta=bytes(raw[begin:end]),
        transfer_syntax=transfer_syntax,
        sop_class=values.get(_MEDIA_SOP_CLASS, ""),
        sop_uid=values.get(_MEDIA_SOP_INSTANCE, ""),
        data_set=raw[end:],
    )


def meta_bytes(beginning: bytes | bytearray | memoryview) -> int | None:
    """Give where the data set begins in a file that is still coming; None while its beginning is too short to say.

    Raises
    ------
    InvalidRequest
        It is not a DICOM file, or its meta information does not end.
    """
    raw = memoryview(beginning).cast("B")
    if len(raw) < len(PREAMBLE) + 2:
        return None
    at = _begin(raw)
    while at + 12 <= len(raw):
        if bytes(raw[at : at + 2]) != _META_GROUP:
            return at
        _, _, vr, length = struct.unpack_from("<HH2sH", raw, at)
        at += 8
        if vr in _LONG:
            (length,) = struct.unpack_from("<L", raw, at)
            at += 4
        at += length
    if at > MAX_META_BYTES:
        raise refused("its file meta information has no end", "Export it again.")
    return None


def _begin(raw: memoryview) -> int:
    """Give where file meta information begins.

    Raises
    ------
    InvalidRequest
        It stands nowhere.
    """
    begin = len(PREAMBLE) if bytes(raw[128:132]) == b"DICM" else 0
    if bytes(raw[begin : begin + 2]) != _META_GROUP:
        raise InvalidRequest(
            "Reading a file was refused: it is not a DICOM file (no file meta information). Export it again."
        )
    return begin


def write_file_meta(*, sop_class: str, sop_uid: str, transfer_syntax: str, sender: str = "") -> bytes:
    """Make the meta information of an instance that came without, as over DIMSE.

    Parameters
    ----------
    sender
        AE title of who sent it; left out when it is none.

    Source: DICOM PS3.10 7.1; PS3.5 6.2 (AE).
    """
    elements = [
        struct.pack("<HH2sHL", 2, 0x0001, b"OB", 0, 2) + b"\x00\x01",
        _short(0x0002, b"UI", sop_class),
        _short(0x0003, b"UI", sop_uid),
        _short(0x0010, b"UI", transfer_syntax),
        _short(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
        _short(0x0013, b"SH", IMPLEMENTATION_VERSION),
    ]
    if _AE_TITLE.fullmatch(sender):
        elements.append(_short(0x0016, b"AE", sender))
    rest = b"".join(elements)
    return struct.pack("<HH2sHL", 2, 0x0000, b"UL", 4, len(rest)) + rest


def _short(number: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def meta_elements(raw: bytes | memoryview, begin: int = 0) -> Iterator[MetaElement]:
    """Step over group 0002, whatever its group length says.

    Raises
    ------
    InvalidRequest
        It is cut off.
    """
    at = begin
    while bytes(raw[at : at + 2]) == _META_GROUP and at + 12 <= len(raw):
        start = at
        _, number, vr, length = struct.unpack_from("<HH2sH", raw, at)
        at += 8
        if vr in _LONG:
            (length,) = struct.unpack_from("<L", raw, at)
            at += 4
        if length > len(raw) - at:
            raise refused("its file meta information is cut off", "Send it again whole.")
        yield MetaElement(tag=0x00020000 | number, vr=vr, start=start, value=at, end=at + length)
        at += length


def _meta_texts(raw: memoryview, begin: int) -> tuple[int, dict[int, str]]:
    """Give where group 0002 ends, and its UIDs."""
    end, texts = begin, {}
    for element in meta_elements(raw, begin):
        end = element.end
        if element.vr == b"UI":
            texts[element.tag & 0xFFFF] = bytes(raw[element.value : end]).decode("latin-1").strip(" \0")
    return end, texts
