"""Values of a tree's elements: their texts, their character set, their order of bytes."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from node.dicom.charset import Charset, read_charset
from node.dicom.tree import Branch, Elements, Leaf

TEXT_VRS = frozenset(["LO", "LT", "PN", "SH", "ST", "UC", "UT"])
SPECIFIC_CHARACTER_SET = 0x00080005
_WIDTHS = {
    "AT": "H", "OW": "H", "SS": "H", "US": "H",
    "FL": "I", "OF": "I", "OL": "I", "SL": "I", "UL": "I",
    "FD": "Q", "OD": "Q", "OV": "Q", "SV": "Q", "UV": "Q",
}  # fmt: skip
"""Which VRs hold numbers whose bytes have an order, and how wide they are."""


def texts(elements: Elements) -> Iterator[bytes]:
    """Give the raw value of every text, at every depth."""
    for element in elements:
        if isinstance(element, Branch):
            for item in element.items:
                yield from texts(item)
        elif element.vr in TEXT_VRS:
            yield bytes(element.value)


def charset_in(elements: Elements, outer: Charset | None = None) -> Charset:
    """Give the character set of a data set or an item, which may name its own.

    Source: DICOM PS3.3 C.12.1.1.2.
    """
    for element in elements:
        if isinstance(element, Leaf) and element.tag == SPECIFIC_CHARACTER_SET and len(element.value):
            return read_charset(bytes(element.value).decode("latin-1"), texts(elements))
    return outer or read_charset("", texts(elements))


def little_endian(leaf: Leaf) -> bytes | memoryview:
    """Give a value with the low byte of each number first.

    Source: DICOM PS3.5 7.3.
    """
    code = _WIDTHS.get(leaf.vr)
    if leaf.little or code is None:
        return leaf.value
    numbers = array(code)
    if len(leaf.value) % numbers.itemsize:
        return leaf.value
    numbers.frombytes(leaf.value)
    numbers.byteswap()
    return numbers.tobytes()
