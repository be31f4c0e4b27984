"""DICOM JSON to a data set in explicit VR little endian, its texts in UTF-8; the other way is `json_model`.

Bulk data is given by whoever asks and never gathered here: the data set comes as
pieces in their order. Group lengths and file meta information are left out.

Source: DICOM PS3.18 F.2, PS3.5 7.1.2.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable, Mapping, Sequence

from node.dicom.walk import MAX_DEPTH, PIXELS
from node.errors import InvalidRequest

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_SHORT_TEXT = frozenset(["AE", "AS", "CS", "DA", "DT", "IS", "DS", "LO", "PN", "SH", "TM", "UI"])
_LONG_TEXT = frozenset(["UC"])
_ONE_TEXT = frozenset(["LT", "ST", "UR", "UT"])
_LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
_BINARY = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "UN"])
_NUMBERS = {"FD": "d", "FL": "f", "SL": "l", "SS": "h", "UL": "L", "US": "H", "SV": "q", "UV": "Q"}
_CHARACTER_SET = 0x00080005
_FILE_META = 0x0002
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_LONGEST = 0xFFFFFFFE

Piece = bytes | memoryview
Bulk = Callable[[str], Sequence[Piece]]
"""Gives what a BulkDataURI names; raises `InvalidRequest` when it names nothing."""
Encapsulated = Callable[[str], bool]
"""Says whether what a BulkDataURI names is frames of an encapsulated syntax, each a piece."""


def data_set_of(instance: Mapping[str, object], *, bulk: Bulk, encapsulated: Encapsulated) -> list[Piece]:
    """Write one object of DICOM JSON as a data set.

    Raises
    ------
    InvalidRequest
        It is none; names the element.
    """
    if not isinstance(instance, Mapping):
        raise InvalidRequest("Reading DICOM JSON was refused: an instance is not an object. Correct it.")
    return _Writer(bulk, encapsulated).elements(instance, 0)


def text_of(instance: Mapping[str, object], tag: int) -> str:
    """Give the first text of an element; empty when there is none."""
    entry = instance.get(f"{tag:08X}")
    values = entry.get("Value") if isinstance(entry, Mapping) else None
    return str(values[0]).strip() if isinstance(values, list) and values and values[0] is not None else ""


class _Writer:
    """Writes elements, and those of items below them."""

    def __init__(self, bulk: Bulk, encapsulated: Encapsulated) -> None:
        self._bulk = bulk
        self._encapsulated = encapsulated

    def elements(self, written: Mapping[str, object], depth: int) -> list[Piece]:
        if depth > MAX_DEPTH:
            raise InvalidRequest(
                f"Reading DICOM JSON was refused: it is nested deeper than {MAX_DEPTH}. Correct it."
            )
        tags = {}
        for name, entry in written.items():
            if not _TAG.fullmatch(name) or not isinstance(entry, Mapping):
                raise InvalidRequest(
                    "Reading DICOM JSON was refused: an element's name is not 8 hex digits, or it is no object."
                    " Correct it."
                )
            tags[int(name, 16)] = entry
        if depth == 0 or _CHARACTER_SET in tags:
            tags[_CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
        pieces: list[Piece] = []
        for tag, entry in sorted(tags.items()):
            if tag & 0xFFFF and tag >> 16 not in (0, _FILE_META, 0xFFFE):
                pieces += self._element(tag, entry, depth)
        return pieces

    def _element(self, tag: int, entry: Mapping[str, object], depth: int) -> list[Piece]:
        vr = str(entry.get("vr", ""))
        if (uri := entry.get("BulkDataURI")) is not None:
            return self._from_bulk(tag, vr, str(uri))
        if vr == "SQ":
            return self._sequence(tag, entry, depth)
        if vr in _BINARY:
            return _whole(tag, vr, [_inline(tag, entry)])
        values = entry.get("Value")
        if values is not None and not isinstance(values, list):
            raise _wrong(tag, "its Value is no list")
        return _whole(tag, vr, [_encoded(tag, vr, values or [])])

    def _from_bulk(self, tag: int, vr: str, uri: str) -> list[Piece]:
        if vr not in _BINARY and vr not in _LONG_TEXT | _ONE_TEXT and vr not in _NUMBERS:
            raise _wrong(tag, f"VR {vr[:4]!r} has no bulk data")
        pieces = self._bulk(uri)
        if tag not in PIXELS or not self._encapsulated(uri):
            return _whole(tag, vr, pieces)
        # The offset table may be empty; each frame is one fragment. Source: DICOM PS3.5 A.4.
        found: list[Piece] = [_head(tag, "OB", 0xFFFFFFFF), _mark(*_ITEM, 0)]
        for frame in pieces:
            odd = len(frame) % 2
            found += [_mark(*_ITEM, len(frame) + odd), frame, b"\0" * odd]
        return [*found, _mark(*_SEQUENCE_END, 0)]

    def _sequence(self, tag: int, entry: Mapping[str, object], depth: int) -> list[Piece]:
        items = entry.get("Value", [])
        if not isinstance(items, list):
            raise _wrong(tag, "its Value is no list")
        found: list[Piece] = []
        for item in items:
            if not isinstance(item, Mapping | None):
                raise _wrong(tag, "an item is no object")
            inner = self.elements(item or {}, depth + 1)
            found += [_mark(*_ITEM, _size(tag, inner)), *inner]
        return [_head(tag, "SQ", _size(tag, found)), *found]


def _whole(tag: int, vr: str, pieces: Sequence[Piece]) -> list[Piece]:
    size = _size(tag, pieces)
    return [_head(tag, vr, size + size % 2), *pieces, *([b"\0"] if size % 2 else [])]


def _size(tag: int, pieces: Sequence[Piece]) -> int:
    size = sum(map(len, pieces))
    if size > _LONGEST - 1:
        raise _wrong(tag, "it is longer than 4 GiB")
    return size


def _head(tag: int, vr: str, size: int) -> bytes:
    start = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode("ascii", "replace"))
    if vr in _LONG:
        return start + struct.pack("<HL", 0, size)
    if size > 0xFFFF:
        raise _wrong(tag, f"a value of VR {vr} is longer than 65535 bytes")
    return start + struct.pack("<H", size)


def _mark(group: int, number: int, size: int) -> bytes:
    return struct.pack("<HHL", group, number, size)


def _inline(tag: int, entry: Mapping[str, object]) -> bytes:
    inline = entry.get("InlineBinary", "")
    if isinstance(inline, list):  # some writers make a list of it
        inline = inline[0] if inline else ""
    try:
        return base64.b64decode(str(inline), validate=True)
    except binascii.Error as error:
        raise _wrong(tag, "its InlineBinary is no Base64") from error


def _encoded(tag: int, vr: str, values: Sequence[object]) -> bytes:
    try:
        if vr in _NUMBERS:
            return b"".join(struct.pack("<" + _NUMBERS[vr], _number(vr, value)) for value in values)
        if vr == "AT":
            return b"".join(_tag_bytes(str(value)) for value in values)
        if vr in _ONE_TEXT:
            return _padded(str(values[0]) if values and values[0] is not None else "", vr)
        if vr in _SHORT_TEXT | _LONG_TEXT:
            return _padded("\\".join(_text(vr, value) for value in values), vr)
    except (struct.error, ValueError, TypeError, OverflowError) as error:
        raise _wrong(tag, f"a value is not of VR {vr}") from error
    raise _wrong(tag, f"{vr[:4]!r} is no VR that stands here")


def _number(vr: str, value: object) -> int | float:
    if vr in ("FD", "FL"):
        return float(str(value).replace("Infinity", "inf"))
    return int(str(value))


def _tag_bytes(text: str) -> bytes:
    if not _TAG.fullmatch(text):
        raise ValueError(text)
    return struct.pack("<HH", int(text[:4], 16), int(text[4:], 16))


def _text(vr: str, value: object) -> str:
    if value is None:
        return ""
    if vr == "PN":
        if not isinstance(value, Mapping):
            raise TypeError(vr)
        groups = [str(value.get(name) or "") for name in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    if isinstance(value, Mapping | list):
        raise TypeError(vr)
    if vr == "DS" and isinstance(value, float):
        return _decimal(value)
    return str(value)


def _decimal(value: float) -> str:
    """Write a number in at most 16 characters. Source: DICOM PS3.5 6.2 (DS)."""
    for digits in range(16, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    raise ValueError(value)


def _padded(text: str, vr: str) -> bytes:
    raw = text.encode("utf-8")
    return raw + (b"\0" if vr == "UI" else b" ") * (len(raw) % 2)


def _wrong(tag: int, what: str) -> InvalidRequest:
    return InvalidRequest(
        f"Reading DICOM JSON was refused: element {tag:08X}: {what}. Correct it, then send it again."
    )
