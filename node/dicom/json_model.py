"""A data set as DICOM JSON: texts in UTF-8, names by component, large binary values by address.

Which route serves the addresses is the web's; it gives them by path, such as
``00081140/0/7FE00010`` (sequence, item from 0, element).
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Callable

from node.canonical import Json
from node.dicom.charset import Charset
from node.dicom.header import Header
from node.dicom.tree import Branch, Elements, Leaf, read_tree
from node.dicom.values import SPECIFIC_CHARACTER_SET, charset_in, little_endian
from node.dicom.walk import PIXELS
from node.errors import NotFound

INLINE_LIMIT_BYTES = 1024

_CHARSET = f"{SPECIFIC_CHARACTER_SET:08X}"
_BINARY = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "UN"])
_ONE_TEXT = frozenset(["LT", "ST", "UR", "UT"])
_NUMBERS = {"FD": "d", "FL": "f", "SL": "l", "SS": "h", "UL": "L", "US": "H", "SV": "q", "UV": "Q"}
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")

BulkAddress = Callable[[str], str]
"""Gives the URI under which the value at a path is served."""


def to_json(header: Header, *, bulk: BulkAddress) -> dict[str, Json]:
    """Write a data set, without its bulk data, as one DICOM JSON object.

    Raises
    ------
    InvalidRequest
        The data set was not given whole.

    Source: DICOM PS3.18 F.2.
    """
    tree = read_tree(header)
    return _object(tree, charset_in(tree), bulk, "")


def bulk_value(header: Header, path: str) -> bytes:
    """Give the value at a path of `to_json`, little endian.

    Raises
    ------
    NotFound
        Nothing with a value stands there.
    """
    missing = NotFound("Reading bulk data failed: the data set has no such element. Read its metadata again.")
    steps = path.split("/")
    elements = read_tree(header)
    for at in range(0, len(steps), 2):
        element = next((e for e in elements if f"{e.tag:08X}" == steps[at]), None)
        if isinstance(element, Leaf) and at == len(steps) - 1:
            return bytes(little_endian(element))
        index = steps[at + 1] if at + 1 < len(steps) else ""
        if not isinstance(element, Branch) or not index.isdecimal() or int(index) >= len(element.items):
            raise missing
        elements = element.items[int(index)]
    raise missing


def _object(elements: Elements, charset: Charset, bulk: BulkAddress, path: str) -> dict[str, Json]:
    written: dict[str, Json] = {}
    for element in sorted(elements, key=lambda e: e.tag):
        if element.tag & 0xFFFF == 0:
            continue
        name = f"{element.tag:08X}"
        if isinstance(element, Branch):
            items: list[Json] = [
                _object(item, charset_in(item, charset), bulk, f"{path}{name}/{n}/")
                for n, item in enumerate(element.items)
            ]
            written[name] = {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
        else:
            written[name] = _leaf(element, charset, bulk, path + name)
    if charset.guessed or _CHARSET in written:
        written[_CHARSET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return written


def _leaf(leaf: Leaf, charset: Charset, bulk: BulkAddress, path: str) -> dict[str, Json]:
    if not len(leaf.value):
        return {"vr": leaf.vr}
    if leaf.vr in _BINARY:
        if leaf.tag in PIXELS or len(leaf.value) > INLINE_LIMIT_BYTES:
            return {"vr": leaf.vr, "BulkDataURI": bulk(path)}
        return {"vr": leaf.vr, "InlineBinary": base64.b64encode(little_endian(leaf)).decode()}
    values = _values(leaf, charset)
    return {"vr": leaf.vr, "Value": values} if any(value is not None for value in values) else {"vr": leaf.vr}


def _values(leaf: Leaf, charset: Charset) -> list[Json]:
    if leaf.vr in _NUMBERS:
        return _numbers(leaf)
    if leaf.vr == "AT":
        words = struct.unpack(f"<{len(leaf.value) // 2}H", _whole_words(leaf, 2))
        return [f"{group:04X}{number:04X}" for group, number in zip(words[::2], words[1::2], strict=False)]
    text = charset.decode(bytes(leaf.value)).rstrip(" \0")
    if leaf.vr in _ONE_TEXT:
        return [text or None]
    return [_value(leaf.vr, part.strip(" \0")) for part in text.split("\\")]


def _value(vr: str, text: str) -> Json:
    if not text:
        return None
    match vr:
        case "PN":
            groups = dict(zip(_GROUPS, (group.strip() for group in text.split("=")), strict=False))
            return {name: group for name, group in groups.items() if group} or None
        case "IS" if _WHOLE.fullmatch(text):
            return int(text)
        case "DS":
            return _decimal(text)
        case _:
            return text


def _decimal(text: str) -> Json:
    """A DS as a number; as it stands where it is none, which the standard allows."""
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number) or "_" in text:
        return text
    return int(text) if _WHOLE.fullmatch(text) else number


def _numbers(leaf: Leaf) -> list[Json]:
    code = _NUMBERS[leaf.vr]
    width = struct.calcsize("<" + code)
    raw = _whole_words(leaf, width)
    return [_finite(number) for number in struct.unpack(f"<{len(raw) // width}{code}", raw)]


def _finite(number: int | float) -> Json:
    if isinstance(number, float) and not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    return number


def _whole_words(leaf: Leaf, width: int) -> bytes:
    raw = bytes(little_endian(leaf))
    return raw[: len(raw) // width * width]
