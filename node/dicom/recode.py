"""The texts of a data set written anew in another character set: all of them, or none.

An AE that reads one character set only gets texts in that set, in sequences too, with Specific Character Set
saying so. Every other byte stays: order, VRs, ways of saying lengths, and pixel data, which is neither looked at
nor copied. Group lengths of an earlier age would be wrong and go.

Source: DICOM PS3.3 C.12.1.1.2, PS3.5 6.1.2 and 6.2.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from node.dicom.charset import Charset, read_charset
from node.dicom.header import Header, scan
from node.dicom.syntax import is_deflated
from node.dicom.texts_in import label_of, text_in
from node.dicom.tree import dictionary_vr, read_tree
from node.dicom.values import SPECIFIC_CHARACTER_SET, TEXT_VRS, charset_in
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

Piece = bytes | memoryview
_MOST_IN_16_BITS = 0xFFFE
"""Values of most VRs say their length in 16 bits, an even one."""
_SMALL_BYTES = 64 << 10


class _Head(NamedTuple):
    """An element or item before its value."""

    start: int
    tag: int
    vr: str
    """As written; empty without one."""
    length: int
    value: int
    """Where the value begins."""
    width: int
    """Bytes of the length field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recoded:
    """A data set as it goes to an AE that reads one character set."""

    pieces: tuple[Piece, ...]
    """Its bytes in order; views of what was given wherever nothing changed."""
    changed: bool
    held: bool
    """False when a text cannot be read, or the set does not hold it: then nothing was changed."""

    @property
    def size(self) -> int:
        return sum(len(piece) for piece in self.pieces)


def recode(data_set: Piece, transfer_syntax: str, charset: str) -> Recoded:
    """Write the texts of a data set in another character set; with an empty one, give it as it is.

    Parameters
    ----------
    data_set
        The whole of it, a view of a mapped file perhaps; or an identifier of a query.
    charset
        One of `texts_in.CHARSETS`.

    Raises
    ------
    InvalidRequest
        It cannot be read.
    """
    as_it_is = Recoded(pieces=(data_set,), changed=False, held=True)
    return recode_header(scan(data_set, transfer_syntax), data_set, charset) if charset else as_it_is


def recode_header(header: Header, data_set: Piece, charset: str) -> Recoded:
    """Do the same for a data set that was scanned already."""
    given = charset_in(read_tree(header))
    end = max((one.offset + one.length for one in header.elements.values()), default=0)
    writer = _Writer(header, charset)
    try:
        pieces = writer.elements(0, end, explicit=header.explicit, little=header.little, charset=given)
    except _NotHeld:
        return Recoded(pieces=(data_set,), changed=False, held=False)
    if not writer.changed:
        return Recoded(pieces=(data_set,), changed=False, held=True)
    if SPECIFIC_CHARACTER_SET not in header.elements:
        pieces.insert(writer.labelled_at, writer.label())
    pieces.append(header.data[end:])  # padding behind the last element
    joined = _joined(pieces)
    return Recoded(
        pieces=(_deflated(joined),) if is_deflated(header.transfer_syntax) else joined,
        changed=True,
        held=True,
    )


class _NotHeld(Exception):
    """A text cannot be written in the other set."""


class _Writer:
    """Goes over a data set that `scan` accepted, and gives its bytes with other texts."""

    def __init__(self, header: Header, charset: str) -> None:
        self.changed = False
        self.labelled_at = 0
        """Among the top level's pieces: where Specific Character Set belongs."""
        self._data = header.data
        self._header = header
        self._charset = charset
        self._label = label_of(charset).encode()
        self._at = 0

    def label(self) -> bytes:
        """Give Specific Character Set as an element of the top level."""
        value = self._label + b" " * (len(self._label) % 2)
        order = "<" if self._header.little else ">"
        head = struct.pack(f"{order}HH", SPECIFIC_CHARACTER_SET >> 16, SPECIFIC_CHARACTER_SET & 0xFFFF)
        if self._header.explicit:
            return head + b"CS" + struct.pack(f"{order}H", len(value)) + value
        return head + struct.pack(f"{order}L", len(value)) + value

    def elements(
        self, start: int, end: int, *, explicit: bool, little: bool, charset: Charset, depth: int = 0
    ) -> list[Piece]:
        """Give the elements up to an end, or to the delimiter of their item, without that."""
        pieces: list[Piece] = []
        self._at = start
        while self._at < end:
            head = self._head(explicit=explicit, little=little)
            if head.tag == ITEM_END:
                break
            if head.tag == SPECIFIC_CHARACTER_SET and depth and head.length:
                # An item may name a set of its own; what it names is written anew as well.
                terms = bytes(self._data[head.value : head.value + head.length]).decode("latin-1")
                charset = read_charset(terms)
            pieces += self._element(head, explicit=explicit, little=little, charset=charset, depth=depth)
            if head.tag < SPECIFIC_CHARACTER_SET and not depth:
                self.labelled_at = len(pieces)
        return pieces

    def _head(self, *, explicit: bool, little: bool) -> _Head:
        at, order = self._at, ORDERS[little]
        group, number, code, length = order.explicit(self._data, at)
        vr = VR_NAMES.get(code, "") if explicit and group != 0xFFFE else ""
        if vr and code not in LONG_VRS:
            return _Head(at, group << 16 | number, vr, length, at + 8, 2)
        (length,) = order.number(self._data, at + (8 if vr else 4))
        return _Head(at, group << 16 | number, vr, length, at + (12 if vr else 8), 4)

    def _element(
        self, head: _Head, *, explicit: bool, little: bool, charset: Charset, depth: int
    ) -> list[Piece]:
        known = dictionary_vr(head.tag) if head.vr in ("", "UN") else head.vr
        begins = begins_with_item(self._data, head.value, head.length)
        if head.length == UNDEFINED and holds_fragments(head.tag, head.vr):
            self._at = self._past_fragments(head.value, little)
            return [self._data[head.start : self._at]]
        if (
            head.length == UNDEFINED
            or head.vr == "SQ"
            or (begins and (known == "SQ" or not known) and head.vr in ("", "UN"))
        ):
            return self._sequence(head, explicit=explicit, little=little, charset=charset, depth=depth)
        self._at = end = head.value + head.length
        if head.tag == SPECIFIC_CHARACTER_SET:
            return [self._text(head, self._label, little=little)]
        if head.tag & 0xFFFF == 0:
            return []
        if known not in TEXT_VRS or not _may_change(raw := bytes(self._data[head.value : end])):
            return [self._data[head.start : end]]
        text = charset.exact(raw)
        written = None if text is None else text_in(text.rstrip(" \0"), self._charset)
        if written is None:
            raise _NotHeld
        return [self._text(head, written, little=little)]

    def _text(self, head: _Head, text: bytes, *, little: bool) -> Piece:
        """Give an element with another text, padded; as it was when that is the same."""
        end = head.value + head.length
        if text.rstrip(b" ") == bytes(self._data[head.value : end]).rstrip(b" \0"):
            return self._data[head.start : end]
        self.changed = True
        text += b" " * (len(text) % 2)
        return self._sized(head, len(text), little=little) + text

    def _sequence(
        self, head: _Head, *, explicit: bool, little: bool, charset: Charset, depth: int
    ) -> list[Piece]:
        """Give a sequence, with its delimiter where it has one."""
        inner = items_little(self._data, head.value, little)
        at, pieces = head.value, list[Piece]()
        end = None if head.length == UNDEFINED else head.value + head.length
        while end is None or at < end:
            group, number, length = ORDERS[inner].implicit(self._data, at)
            item = _Head(at, group << 16 | number, "", length, at + 8, 4)
            if item.tag == SEQUENCE_END:
                pieces.append(self._data[at : at + 8])
                at += 8
                break
            stop = len(self._data) if length == UNDEFINED else at + 8 + length
            within = explicit and looks_explicit(self._data, at + 8, True)
            self._at = at + 8
            content = (
                self.elements(at + 8, stop, explicit=within, little=inner, charset=charset, depth=depth + 1)
                if length
                else []
            )
            if length == UNDEFINED:
                pieces += [self._data[at : at + 8], *content, self._data[self._at : self._at + 8]]
                at = self._at + 8
            else:
                pieces += [self._sized(item, sum(map(len, content)), little=inner), *content]
                at = stop
        self._at = at
        if end is None:
            return [self._data[head.start : head.value], *pieces]
        return [self._sized(head, sum(map(len, pieces)), little=little), *pieces]

    def _past_fragments(self, at: int, little: bool) -> int:
        while True:
            group, number, length = ORDERS[little].implicit(self._data, at)
            at += 8
            if group << 16 | number == SEQUENCE_END:
                return at
            at += length

    def _sized(self, head: _Head, size: int, *, little: bool) -> bytes:
        """Give the head of an element or item with another length."""
        if head.width == 2 and size > _MOST_IN_16_BITS:
            raise _NotHeld
        code = ("<" if little else ">") + ("H" if head.width == 2 else "L")
        return bytes(self._data[head.start : head.value - head.width]) + struct.pack(code, size)


def _may_change(raw: bytes) -> bool:
    """Say whether a text may differ from set to set: it has high bytes, or escape sequences."""
    return not raw.isascii() or b"\x1b" in raw


def _joined(pieces: list[Piece]) -> tuple[Piece, ...]:
    """Put small pieces together; large ones stay views."""
    joined: list[Piece] = []
    small = bytearray()
    for piece in pieces:
        if len(piece) <= _SMALL_BYTES:
            small += piece
            continue
        if small:
            joined.append(bytes(small))
            small = bytearray()
        joined.append(piece)
    return (*joined, bytes(small)) if small else tuple(joined)


def _deflated(pieces: tuple[Piece, ...]) -> bytes:
    """Deflate again. Source: DICOM PS3.5 A.5."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    raw = b"".join([*map(stream.compress, pieces), stream.flush()])
    return raw + b"\0" * (len(raw) % 2)
