"""A whole data set as a tree of elements over its own bytes, nothing copied.

Only for data sets that `header.scan` has accepted whole: depth and lengths are
known to be sound. VRs that the encoding leaves out come from the standard's
dictionary; an unknown private element stays UN.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from node.dicom.header import Header
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
from node.errors import InvalidRequest

_PIXEL_REPRESENTATION = 0x00280103


@dataclass(frozen=True, slots=True)
class Leaf:
    """An element with a value, or with the fragments of one (the offset table first)."""

    tag: int
    vr: str
    value: memoryview
    little: bool
    fragments: tuple[memoryview, ...] | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """A sequence; each item is its elements in the order written."""

    tag: int
    items: tuple[Elements, ...]


Elements = tuple[Leaf | Branch, ...]


def read_tree(header: Header) -> Elements:
    """Give the elements of a data set.

    Raises
    ------
    InvalidRequest
        The header was read from a beginning of it only.
    """
    if not header.whole or any(e.offset + e.length > len(header.data) for e in header.elements.values()):
        raise InvalidRequest("Reading a data set was refused: only its beginning was given. Read it whole.")
    end = max((e.offset + e.length for e in header.elements.values()), default=0)
    return _Reader(header.data, 0).elements(end, explicit=header.explicit, little=header.little)


@lru_cache(maxsize=4096)
def dictionary_vr(tag: int) -> str:
    """Give a tag's VR by the standard; empty when the standard does not know it.

    Source: DICOM PS3.6.
    """
    group, number = tag >> 16, tag & 0xFFFF
    if number == 0:
        return "UL"
    if group % 2:
        return "LO" if 0x10 <= number <= 0xFF else ""
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


class _Reader:
    """Reads on from a position, one level at a time."""

    def __init__(self, data: memoryview, at: int) -> None:
        self._data = data
        self._at = at
        self._signed = False
        """Whether pixels are signed, as the last Pixel Representation said."""

    def elements(self, end: int, *, explicit: bool, little: bool) -> Elements:
        """Read to the end, or to the delimiter of the item."""
        found: list[Leaf | Branch] = []
        while self._at < end:
            group, number, code, length = ORDERS[little].explicit(self._data, self._at)
            tag = group << 16 | number
            if tag == ITEM_END:
                self._at += 8
                break
            vr = VR_NAMES.get(code, "") if explicit else ""
            if not vr or code in LONG_VRS:
                (length,) = ORDERS[little].number(self._data, self._at + (8 if vr else 4))
            self._at += 12 if vr and code in LONG_VRS else 8
            found.append(self._element(tag, vr, length, explicit=explicit, little=little))
        return tuple(found)

    def _element(self, tag: int, vr: str, length: int, *, explicit: bool, little: bool) -> Leaf | Branch:
        known = _resolve(dictionary_vr(tag), self._signed) if vr in ("", "UN") else vr
        if length == UNDEFINED:
            if holds_fragments(tag, vr):
                return self._fragments(tag, known, little)
            return Branch(
                tag, self._items(None, explicit=explicit, little=items_little(self._data, self._at, little))
            )
        end = self._at + length
        begins = begins_with_item(self._data, self._at, length)
        if vr == "SQ" or (known == "SQ" and (begins or not length)) or (not known and begins):
            return Branch(
                tag, self._items(end, explicit=explicit, little=items_little(self._data, self._at, little))
            )
        value = self._data[self._at : end]
        self._at = end
        if tag == _PIXEL_REPRESENTATION:
            self._signed = any(value)
        return Leaf(tag, "UN" if known in ("", "SQ") else known, value, little)

    def _items(self, end: int | None, *, explicit: bool, little: bool) -> tuple[Elements, ...]:
        found: list[Elements] = []
        while end is None or self._at < end:
            group, number, length = ORDERS[little].implicit(self._data, self._at)
            self._at += 8
            if group << 16 | number == SEQUENCE_END:
                break
            stop = len(self._data) if length == UNDEFINED else self._at + length
            found.append(
                self.elements(
                    stop, explicit=explicit and looks_explicit(self._data, self._at, True), little=little
                )
            )
        return tuple(found)

    def _fragments(self, tag: int, vr: str, little: bool) -> Leaf:
        start = self._at
        found: list[memoryview] = []
        while True:
            group, number, length = ORDERS[little].implicit(self._data, self._at)
            self._at += 8
            if group << 16 | number == SEQUENCE_END:
                return Leaf(tag, vr or "OB", self._data[start : self._at], little, tuple(found))
            found.append(self._data[self._at : self._at + length])
            self._at += length


def _resolve(vr: str, signed: bool) -> str:
    """Choose one VR where the dictionary gives several, as an implicit reader must (PS3.5 A.1)."""
    if " " not in vr:
        return vr
    return "OW" if "OW" in vr else "SS" if signed else "US"
