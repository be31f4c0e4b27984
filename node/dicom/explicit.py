"""A data set, however it is encoded, written as explicit VR little endian; its pixels as they are given.

Group lengths go, sequences get lengths, everything else keeps its bytes. What
compressed pixels become is `node.imaging.transcode`'s.

Source: DICOM PS3.5 7.1.2, 7.5, A.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from node.dicom.header import Header
from node.dicom.tree import Branch, Elements, Leaf, read_tree
from node.dicom.values import little_endian
from node.dicom.walk import LONG_VRS, PIXELS
from node.errors import InvalidRequest

_ITEM = struct.pack("<HH", 0xFFFE, 0xE000)
_LONG = frozenset(vr.decode() for vr in LONG_VRS)
_LONGEST = 0xFFFFFFFE

Piece = bytes | memoryview


def explicit_pieces(header: Header) -> list[Piece]:
    """Give a native data set in its new encoding, in pieces; long values are not copied where they lie right.

    Raises
    ------
    InvalidRequest
        The data set was not given whole, or a value is too long for its new form.
    """
    return write_elements(read_tree(header))


def split_at_pixels(
    header: Header, *, without: Iterable[int], change: Mapping[int, Leaf]
) -> tuple[list[Piece], list[Piece]]:
    """Give what stands before and behind the pixel data, without some elements and with others changed."""
    left_out = {*without, *PIXELS}
    before: list[Leaf | Branch] = []
    behind: list[Leaf | Branch] = []
    kept = {element.tag: element for element in read_tree(header) if element.tag not in left_out}
    for tag, element in sorted({**kept, **change}.items()):
        (before if tag < min(PIXELS) else behind).append(element)
    return write_elements(tuple(before)), write_elements(tuple(behind))


def element_head(tag: int, vr: str, size: int) -> bytes:
    """Give what stands before a value.

    Raises
    ------
    InvalidRequest
        It is too long.
    """
    if size > _LONGEST:
        raise InvalidRequest(
            "Rewriting an instance was refused: a value is longer than 4 GiB. Read it as stored."
        )
    start = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return start + (struct.pack("<HL", 0, size) if vr in _LONG else struct.pack("<H", size))


def write_elements(elements: Elements) -> list[Piece]:
    """Write elements in their order."""
    found: list[Piece] = []
    for element in elements:
        if element.tag & 0xFFFF == 0:
            continue
        if isinstance(element, Branch):
            found += _sequence(element)
            continue
        value = little_endian(element)
        # A value that its VR has no room for is written as one of no known VR. Source: DICOM PS3.5 6.2.2, note 5.
        vr = element.vr if element.vr in _LONG or len(value) <= 0xFFFF else "UN"
        odd = len(value) % 2
        found += [element_head(element.tag, vr, len(value) + odd), value, *([b"\0"] if odd else [])]
    return found


def _sequence(branch: Branch) -> list[Piece]:
    items: list[Piece] = []
    for item in branch.items:
        inner = write_elements(item)
        items += [_ITEM + struct.pack("<L", sum(map(len, inner))), *inner]
    return [element_head(branch.tag, "SQ", sum(map(len, items))), *items]
