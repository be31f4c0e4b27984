"""All texts of a stretch of a data set in UTF-8, at every depth, and nothing else changed.

For a data set whose character set cannot hold a text that is put into it. Items
keep their kind of length; values that are not text keep their bytes. What
the encoding calls UN, and private elements without VR, stay as they are.

Source: DICOM PS3.3 C.12.1.1.2; PS3.5 6.1.2.3, 7.5.
"""

from __future__ import annotations

from node.dicom.charset import Charset, read_charset
from node.dicom.encoding import Encoding
from node.dicom.tree import dictionary_vr
from node.dicom.values import SPECIFIC_CHARACTER_SET, TEXT_VRS
from node.dicom.walk import (
    ITEM_END,
    LONG_VRS,
    ORDERS,
    SEQUENCE_END,
    UNDEFINED,
    VR_NAMES,
    begins_with_item,
    holds_fragments,
    items_little,
    looks_explicit,
)

UTF8_TERM = "ISO_IR 192"


def recoded(data: memoryview, start: int, end: int, *, how: Encoding, charset: Charset) -> bytes:
    """Give the elements from one place to another with their texts in UTF-8.

    Only for a data set that `header.scan` has accepted.
    """
    content, _ = _Recoder(data).elements(start, end, how, charset)
    return content


def recoded_text(raw: bytes, charset: Charset) -> bytes:
    """Give a text in UTF-8; one of the basic repertoire alone keeps its bytes."""
    return raw if _is_basic(raw) else charset.decode(raw).encode()


class _Recoder:
    """Reads on level by level; each call gives what was written and where the next element begins."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    def elements(self, at: int, end: int, how: Encoding, charset: Charset) -> tuple[bytes, int]:
        """Write elements up to the end, or to the delimiter of their item, which is stepped over."""
        charset = self._named_here(at, end, how) or charset
        parts: list[bytes] = []
        while at < end:
            tag, vr, value, length = self._head(at, how)
            if tag == ITEM_END:
                return b"".join(parts), at + 8
            part, at = self._element(at, tag, vr, value=value, length=length, how=how, charset=charset)
            parts.append(part)
        return b"".join(parts), at

    def _element(
        self, start: int, tag: int, vr: str, *, value: int, length: int, how: Encoding, charset: Charset
    ) -> tuple[bytes, int]:
        known = vr or dictionary_vr(tag)
        if length == UNDEFINED:
            if holds_fragments(tag, vr):
                after = self._after_fragments(value, how)
                return bytes(self._data[start:after]), after
            inner = how if vr != "UN" else Encoding(explicit=False, little=True)
            content, after = self._items(value, len(self._data), inner, charset)
            return how.element(tag, vr or "SQ", content + inner.end, length=UNDEFINED), after
        after = value + length
        if known == "SQ" and (vr == "SQ" or begins_with_item(self._data, value, length) or not length):
            content, _ = self._items(value, after, how, charset)
            return how.head(tag, "SQ", len(content)) + content, after
        raw = bytes(self._data[value:after])
        if tag == SPECIFIC_CHARACTER_SET:
            return how.element(tag, "CS", UTF8_TERM.encode()), after
        if known in TEXT_VRS and not _is_basic(raw):
            return how.element(tag, known, charset.decode(raw).rstrip("\0").encode()), after
        return bytes(self._data[start:after]), after

    def _items(self, at: int, end: int, how: Encoding, charset: Charset) -> tuple[bytes, int]:
        how = Encoding(explicit=how.explicit, little=items_little(self._data, at, how.little))
        parts: list[bytes] = []
        while at < end:
            group, number, length = ORDERS[how.little].implicit(self._data, at)
            at += 8
            if group << 16 | number == SEQUENCE_END:
                break
            inner = Encoding(
                explicit=how.explicit and looks_explicit(self._data, at, True), little=how.little
            )
            stop = len(self._data) if length == UNDEFINED else at + length
            content, at = self.elements(at, stop, inner, charset)
            parts.append(how.item(content, delimited=length == UNDEFINED))
        return b"".join(parts), at

    def _after_fragments(self, at: int, how: Encoding) -> int:
        while True:
            group, number, length = ORDERS[how.little].implicit(self._data, at)
            at += 8
            if group << 16 | number == SEQUENCE_END:
                return at
            at += length

    def _named_here(self, at: int, end: int, how: Encoding) -> Charset | None:
        """Read the character set that an item names itself; it stands among its first elements."""
        while at < end:
            tag, _, value, length = self._head(at, how)
            if tag > SPECIFIC_CHARACTER_SET or length == UNDEFINED:
                return None
            if tag == SPECIFIC_CHARACTER_SET and length:
                return read_charset(bytes(self._data[value : value + length]).decode("latin-1"))
            at = value + length
        return None

    def _head(self, at: int, how: Encoding) -> tuple[int, str, int, int]:
        """Give tag, VR, place of the value and length of the element at a place."""
        group, number, code, length = ORDERS[how.little].explicit(self._data, at)
        vr = VR_NAMES.get(code, "") if how.explicit else ""
        if not vr or code in LONG_VRS:
            (length,) = ORDERS[how.little].number(self._data, at + (8 if vr else 4))
        return group << 16 | number, vr, at + (12 if vr and code in LONG_VRS else 8), length


def _is_basic(raw: bytes) -> bool:
    return raw.isascii() and b"\x1b" not in raw
