"""A data set written in explicit or implicit VR little endian, for an AE that takes nothing else.

Values are views of the data set they come from; only heads are new. Sequences and
items end by delimiters, so that nothing has to be measured first. What pixels
become when they are decompressed is `node.imaging.decompress`'s.

Source: DICOM PS3.5 7.1, 7.5, A.1, A.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from node.dicom.header import Header
from node.dicom.tree import Branch, Elements, Leaf, read_tree
from node.dicom.values import little_endian
from node.dicom.walk import UNDEFINED

Piece = bytes | memoryview
Replaced = Mapping[int, tuple[str, Piece] | None]
"""By tag of the top level: another VR and value, or None to leave it out."""
_LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
_MOST_IN_16_BITS = 0xFFFE


def write_plain(header: Header, *, explicit: bool, replaced: Replaced | None = None) -> Iterator[Piece]:
    """Give a data set's bytes in order.

    Parameters
    ----------
    replaced
        Elements of the top level to write otherwise, or not at all; none is added.

    Raises
    ------
    InvalidRequest
        Only a beginning of it was scanned.
    """
    return _Writer(explicit).elements(read_tree(header), replaced or {})


class _Writer:
    def __init__(self, explicit: bool) -> None:
        self._explicit = explicit

    def elements(self, elements: Elements, replaced: Replaced) -> Iterator[Piece]:
        for element in elements:
            if element.tag & 0xFFFF == 0:
                continue  # a group length, which would be wrong
            if element.tag in replaced:
                given = replaced[element.tag]
                if given is not None:
                    yield from self._value(element.tag, *given)
            elif isinstance(element, Branch):
                yield from self._sequence(element)
            else:
                yield from self._value(element.tag, element.vr, _value(element))

    def _sequence(self, branch: Branch) -> Iterator[Piece]:
        yield self._head(branch.tag, "SQ", UNDEFINED)
        for item in branch.items:
            yield _mark(0xE000, UNDEFINED)
            yield from self.elements(item, {})
            yield _mark(0xE00D)
        yield _mark(0xE0DD)

    def _value(self, tag: int, vr: str, value: Piece) -> Iterator[Piece]:
        odd = len(value) % 2
        yield self._head(tag, vr, len(value) + odd)
        yield value
        if odd:
            yield b" " if vr in ("LO", "LT", "PN", "SH", "ST", "UC", "UT", "CS", "DS", "IS") else b"\0"

    def _head(self, tag: int, vr: str, length: int) -> bytes:
        head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
        if not self._explicit:
            return head + struct.pack("<L", length)
        if vr not in _LONG and length > _MOST_IN_16_BITS:
            vr = "UN"  # PS3.5 6.2.2: what is too long for its VR
        if vr in _LONG:
            return head + vr.encode() + b"\0\0" + struct.pack("<L", length)
        return head + vr.encode() + struct.pack("<H", length)


def _value(leaf: Leaf) -> Piece:
    return little_endian(leaf)


def _mark(number: int, length: int = 0) -> bytes:
    return struct.pack("<HHL", 0xFFFE, number, length)
