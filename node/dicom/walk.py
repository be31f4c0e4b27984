"""Stepping over the bytes of a data set: elements, sequences, items and fragments, under caps.

Iterative and on `struct` alone. Every length is checked against the bytes that
exist; nesting and the number of elements are capped. Values, pixel data among
them, are stepped over. What the top level means is left to `header`.

Real files are forgiven what leaves no doubt: odd lengths, implicit items in
explicit data sets, sequences under UN, zeros after the end. An element that
comes twice is not: two readers would see two patients.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from node.errors import InvalidRequest
from node.failpoints import planted

MAX_DEPTH = 1 << 20 if planted("no-depth-cap") else 32
MAX_ELEMENTS = 1_000_000
MAX_TOP_ELEMENTS = 20_000
MAX_PADDING_BYTES = 64 << 10

PIXEL_DATA = 0x7FE00010
PIXELS = (PIXEL_DATA, 0x7FE00008, 0x7FE00009)

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
ITEM_BYTES = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
VR_NAMES = {vr: vr.decode() for vr in LONG_VRS | SHORT_VRS}
SHORT_NAMES = {vr: vr.decode() for vr in SHORT_VRS}
_MAY_COME_TWICE = planted("no-duplicate-check")
_SLACK_BYTES = 1 << 40 if planted("no-length-check") else 0
_NOT_HERE = (0x0000, 0x0002, 0xFFFE)
_MAY_NEST = ("SQ", "UN", "")


class Element(msgspec.Struct, frozen=True, gc=False):
    """Where a top-level element stands; offsets in bytes from the start of the (inflated) data set."""

    vr: str
    """Empty when the encoding does not say."""
    offset: int
    """Of the value."""
    length: int
    """Of the value; of undefined length, up to and with its delimiter."""
    start: int
    """Of the tag."""
    undefined: bool


class Cut(Exception):
    """The bytes given end here, and are known to be a beginning only."""


class _Frame(NamedTuple):
    """One level of nesting."""

    kind: str
    """``elements``, ``items`` of a sequence, or ``fragments`` of encapsulated data."""
    end: int
    """Where it must end; when it ends by a delimiter, where that must come before."""
    delimited: bool
    explicit: bool
    little: bool


class Walk:
    """Steps over a data set, one element or item at a time."""

    def __init__(self, data: memoryview, total: int, *, explicit: bool, little: bool) -> None:
        self.elements: dict[int, Element] = {}
        self._data = data
        self._total = total
        self._at = 0
        self._count = 0
        self._frames = [_Frame("elements", total, False, explicit, little)]
        self._open: tuple[int, str, int, int] | None = None
        """Tag, VR, start and value of the top-level element of undefined length being walked."""

    @property
    def open_tag(self) -> int | None:
        """The top-level element of undefined length that the walk stands in."""
        return None if self._open is None else self._open[0]

    def run(self) -> None:
        """Walk to the end, or raise."""
        frames = self._frames
        while True:
            frame = frames[-1]
            if self._at == frame.end and not frame.delimited:
                frames.pop()
                if not frames:
                    return
                continue
            self._count += 1
            if self._count > MAX_ELEMENTS:
                raise self._at_fault(f"it has more than {MAX_ELEMENTS} elements")
            if frame.kind != "elements":
                self._item(frame)
            elif not (frame.explicit and self._step_over_short(frame)):
                self._element(frame)

    def _step_over_short(self, frame: _Frame) -> bool:
        """Step over elements of short VRs, as most are; stops before all else, and before every fault.

        Says whether it moved. Nothing here that `_element` would not do, only faster: it is where a scan's time goes.
        """
        data, elements, unpack = self._data, self.elements, ORDERS[frame.little].explicit
        end, here, start = frame.end, len(self._data) - 8, self._at
        top = len(self._frames) == 1
        at, room = start, MAX_ELEMENTS - self._count
        while at <= here and room > 0:
            group, number, code, length = unpack(data, at)
            vr = SHORT_NAMES.get(code)
            value = at + 8
            if vr is None or value + length > end or group in _NOT_HERE:
                break
            if top:
                tag = group << 16 | number
                if tag in elements or len(elements) >= MAX_TOP_ELEMENTS:
                    break
                elements[tag] = Element(vr, value, length, at, False)
            at = value + length
            room -= 1
        self._count = MAX_ELEMENTS - room
        self._at = at
        return at > start

    def _element(self, frame: _Frame) -> None:
        start = self._at
        top = len(self._frames) == 1
        if top and self.elements and self._only_zeros_left():
            self._at = frame.end
            return
        self._need(8, frame.end)
        order = ORDERS[frame.little]
        group, number, code, length = order.explicit(self._data, start)
        tag = group << 16 | number
        if group == 0xFFFE:
            self._end_of_item(frame, tag)
            return
        vr, at = "", start + 8
        if frame.explicit and code in LONG_VRS:
            self._need(12, frame.end)
            (length,) = order.number(self._data, at)
            vr, at = VR_NAMES[code], start + 12
        elif frame.explicit and code in SHORT_VRS:
            vr = VR_NAMES[code]
        elif frame.explicit and _is_taken_for_vr(code):
            raise self._at_fault(f"element {tag_name(tag)} has the unknown VR {code.decode('latin-1')!r}")
        else:
            (length,) = order.number(self._data, start + 4)
        if top:
            self._check_top(tag)
        if length == UNDEFINED:
            if top:
                self._open = (tag, vr, start, at)
            self._at = at
            self._push_undefined(frame, tag, vr)
            return
        if length > frame.end - at + _SLACK_BYTES:
            raise self._at_fault(
                f"element {tag_name(tag)} says {length} bytes, {max(frame.end - at, 0)} are left",
                "Send it again whole.",
            )
        if top:
            self.elements[tag] = Element(vr, at, length, start, False)
        self._at = at
        if vr not in _MAY_NEST or not self._push_sequence(frame, vr, length):
            self._at = at + length

    def _push_undefined(self, frame: _Frame, tag: int, vr: str) -> None:
        """Enter a value that ends by a delimiter: fragments, or a sequence."""
        if holds_fragments(tag, vr):
            self._push(_Frame("fragments", frame.end, True, frame.explicit, frame.little))
        elif vr in _MAY_NEST:
            self._push(
                _Frame(
                    "items", frame.end, True, frame.explicit, items_little(self._data, self._at, frame.little)
                )
            )
        else:
            raise self._at_fault(f"element {tag_name(tag)} of VR {vr} has no length")

    def _push_sequence(self, frame: _Frame, vr: str, length: int) -> bool:
        """Enter a sequence of known length; what may be one in disguise (UN, implicit VR) when it begins as one."""
        if vr == "SQ":
            self._push(_Frame("items", self._at + length, False, frame.explicit, frame.little))
            return True
        if not begins_with_item(self._data, self._at, length):
            return False
        little = items_little(self._data, self._at, frame.little)
        self._push(_Frame("items", self._at + length, False, frame.explicit, little))
        return True

    def _item(self, frame: _Frame) -> None:
        """Step into the next item, over the next fragment, or out at the delimiter."""
        self._need(8, frame.end)
        group, number, length = ORDERS[frame.little].implicit(self._data, self._at)
        tag = group << 16 | number
        self._at += 8
        if tag == SEQUENCE_END and frame.delimited:
            self._pop()
        elif tag != ITEM:
            raise self._at_fault(f"an item was expected, found {tag_name(tag)}")
        elif length == UNDEFINED:
            if frame.kind == "fragments":
                raise self._at_fault("a fragment has no length")
            self._push(_Frame("elements", frame.end, True, self._item_explicit(frame), frame.little))
        elif length > frame.end - self._at + _SLACK_BYTES:
            raise self._at_fault(
                f"an item says {length} bytes, {frame.end - self._at} are left", "Send it again whole."
            )
        elif frame.kind == "fragments":
            self._at += length
        elif length:
            self._push(_Frame("elements", self._at + length, False, self._item_explicit(frame), frame.little))

    def _end_of_item(self, frame: _Frame, tag: int) -> None:
        if tag != ITEM_END or not frame.delimited:
            raise self._at_fault(f"{tag_name(tag)} stands where an element was expected")
        self._at += 8
        self._pop()

    def _push(self, frame: _Frame) -> None:
        if len(self._frames) > 2 * MAX_DEPTH:  # a level of nesting is a sequence and its item
            raise self._at_fault(f"it is nested deeper than {MAX_DEPTH} sequences")
        self._frames.append(frame)

    def _pop(self) -> None:
        self._frames.pop()
        if len(self._frames) == 1 and self._open is not None:
            tag, vr, start, at = self._open
            self.elements[tag] = Element(vr, at, self._at - at, start, True)
            self._open = None

    def _check_top(self, tag: int) -> None:
        if tag in self.elements and not _MAY_COME_TWICE:
            raise self._at_fault(
                f"element {tag_name(tag)} comes twice", "Have the device's maker correct it."
            )
        if len(self.elements) >= MAX_TOP_ELEMENTS:
            raise self._at_fault(f"its top level has more than {MAX_TOP_ELEMENTS} elements")
        if tag >> 16 in (0x0000, 0x0002):
            raise self._at_fault(f"element {tag_name(tag)} belongs outside the data set")

    def _need(self, count: int, end: int) -> None:
        if self._at + count > end + _SLACK_BYTES:
            raise self._at_fault("it ends in the middle of an element", "Send it again whole.")
        if self._at + count > len(self._data):
            raise Cut

    def _item_explicit(self, frame: _Frame) -> bool:
        """Look whether an item of an explicit data set is implicit, as UN's are (PS3.5 6.2.2), and some makers' are."""
        return frame.explicit and looks_explicit(self._data, self._at, True)

    def _only_zeros_left(self) -> bool:
        """Say whether only padding stands after the last element; a single zero may be the first byte of a tag cut off."""
        data, at = self._data, self._at
        left = self._total - at
        if not 2 <= left <= MAX_PADDING_BYTES or len(data) < self._total or data[at]:
            return False
        return not any(data[at:])

    def _at_fault(self, what: str, then: str = "Have the device's maker correct it.") -> InvalidRequest:
        return refused(f"at byte {self._at} {what}", then)


class Order(NamedTuple):
    """How the numbers of a header are read, in one order of bytes."""

    explicit: Callable[[memoryview, int], tuple[int, int, bytes, int]]
    """Group, element, VR, and a length of 16 bits that only some VRs have."""
    implicit: Callable[[memoryview, int], tuple[int, int, int]]
    """Group, element, length."""
    number: Callable[[memoryview, int], tuple[int]]
    """A length of 32 bits."""


ORDERS = {
    little: Order(
        struct.Struct(f"{sign}HH2sH").unpack_from,
        struct.Struct(f"{sign}HHL").unpack_from,
        struct.Struct(f"{sign}L").unpack_from,
    )
    for little, sign in ((True, "<"), (False, ">"))
}


def holds_fragments(tag: int, vr: str) -> bool:
    """Say whether a value of undefined length is fragments; pixel data called SQ or UN are a sequence to all readers.

    Source: DICOM PS3.5 6.2.2, A.4.
    """
    return vr in ("OB", "OW") or (tag in PIXELS and not vr)


def looks_explicit(data: memoryview, at: int, declared: bool) -> bool:
    """Look at the first element: a VR stands there, or the low half of a length of over 16 KiB would.

    Two letters that are no VR are for others one all the same; they are left to be refused as that.
    """
    if len(data) < at + 6:
        return declared
    code = bytes(data[at + 4 : at + 6])
    return code in VR_NAMES or (declared and code.isalpha() and code.isupper())


def begins_with_item(data: memoryview, at: int, length: int) -> bool:
    """Say whether a value whose VR does not tell begins as a sequence does."""
    if length < 8 or at + 8 > len(data) or bytes(data[at : at + 4]) not in ITEM_BYTES:
        return False
    (first,) = ORDERS[items_little(data, at, True)].number(data, at + 4)
    return first == UNDEFINED or first <= length - 8


def items_little(data: memoryview, at: int, declared: bool) -> bool:
    """Look which way round the next item is written."""
    first = bytes(data[at : at + 4])
    return first == ITEM_BYTES[0] if first in ITEM_BYTES else declared


def _is_taken_for_vr(code: bytes) -> bool:
    """Say whether some reader takes two bytes that are no VR for one, as pydicom does, and others for half a length.

    It would then see elements, a patient's name perhaps, where others see a value that holds them.
    """
    return b"AA" <= code <= b"ZZ"


def tag_name(tag: int) -> str:
    """Write a tag as the standard does: ``(0010,0020)``."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def refused(what: str, then: str) -> InvalidRequest:
    """Make the error that refuses a data set."""
    return InvalidRequest(f"Reading a data set was refused: {what}. {then}")
