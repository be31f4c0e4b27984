"""A data set, however it is encoded, written in explicit or implicit VR little endian: pieces, and their sizes before any is made.

Long values stay where they lie until their turn comes. Group lengths go, sequences and
items get lengths, values even ones. What compressed pixels become is `node.imaging.decompress`'s.

Source: DICOM PS3.5 7.1, 7.2, 7.5, A.1, A.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from node.dicom.encoding import Encoding, padding_of
from node.dicom.header import Header
from node.dicom.tree import Branch, Elements, Leaf, read_tree
from node.dicom.values import little_endian
from node.dicom.walk import ITEM, PIXEL_DATA, UNDEFINED
from node.errors import InvalidRequest
from node.store.regions import Made, length_of

CHUNK_BYTES = 1 << 20
"""What is put together, or turned round, in one go."""
AT_ONCE_BYTES = 64 << 10
_LONGEST = 0xFFFFFFFE
_BITS_ALLOCATED = 0x00280100

Piece = bytes | memoryview | Made


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What an element is written with: a VR, and bytes in little endian."""

    vr: str
    pieces: Sequence[Piece]


Replaced = Mapping[int, Value | None]
"""By tag of the top level; None leaves the element out."""
WriteItem = Callable[[Elements], list[Piece]]
"""Writes an item that holds compressed pixels."""


def write_native(
    header: Header, *, explicit: bool, replaced: Replaced | None = None, write_item: WriteItem | None = None
) -> list[Piece]:
    """Give a data set in its new encoding, by tag.

    Parameters
    ----------
    replaced
        Elements to write otherwise, to add, or to leave out.

    Raises
    ------
    InvalidRequest
        It was not given whole, is too long for its new form, or holds compressed values that nobody decodes.
    """
    given = dict(replaced or {})
    written: dict[int, Leaf | Branch | Value] = {}
    for element in read_tree(header):
        if element.tag not in given:
            written[element.tag] = _as_pixels(header, element)
    written |= {tag: value for tag, value in given.items() if value is not None}
    writer = _Writer(explicit=explicit, write_item=write_item)
    return list(_gathered(writer.top(sorted(written.items()))))


def write_encapsulated(item: Elements) -> bytes:
    """Give an item as a data set of its own in explicit VR little endian, its fragments as they stand.

    Source: DICOM PS3.5 A.4.
    """
    writer = _Writer(explicit=True, write_item=None, keeps_fragments=True)
    return b"".join(_bytes(piece) for piece in writer.elements(item))


class _Writer:
    def __init__(
        self, *, explicit: bool, write_item: WriteItem | None, keeps_fragments: bool = False
    ) -> None:
        self._how = Encoding(explicit=explicit, little=True)
        self._write_item = write_item
        self._keeps_fragments = keeps_fragments

    def top(self, elements: Iterable[tuple[int, Leaf | Branch | Value]]) -> Iterator[Piece]:
        for tag, element in elements:
            if isinstance(element, Value):
                yield from self._value(tag, element.vr, element.pieces)
            else:
                yield from self.elements((element,))

    def elements(self, elements: Elements) -> Iterator[Piece]:
        for element in elements:
            if element.tag & 0xFFFF == 0:
                continue  # a group length, which would be wrong. Source: PS3.5 7.2
            if isinstance(element, Branch):
                yield from self._sequence(element)
            elif element.fragments is None:
                yield from self._value(element.tag, element.vr, _little(element))
            elif self._keeps_fragments:
                yield self._how.head(element.tag, "OB", UNDEFINED)
                yield element.value
            else:
                raise InvalidRequest(
                    "Rewriting an instance was refused: it holds compressed values that are not decoded here."
                    " Take it as stored."
                )

    def _sequence(self, branch: Branch) -> Iterator[Piece]:
        items: list[Piece] = []
        for item in branch.items:
            inner = self._item(item)
            items += [self._how.mark(ITEM, _checked(_size(inner))), *inner]
        yield self._head(branch.tag, "SQ", _size(items))
        yield from items

    def _item(self, item: Elements) -> list[Piece]:
        compressed = any(isinstance(each, Leaf) and each.fragments is not None for each in item)
        if compressed and self._write_item is not None:
            return self._write_item(item)
        return list(self.elements(item))

    def _value(self, tag: int, vr: str, pieces: Sequence[Piece]) -> Iterator[Piece]:
        size = _size(pieces)
        odd = size % 2
        yield self._head(tag, vr, size + odd)
        yield from pieces
        if odd:
            yield padding_of(vr)

    def _head(self, tag: int, vr: str, size: int) -> bytes:
        return self._how.head(tag, vr, _checked(size))


def _as_pixels(header: Header, element: Leaf | Branch) -> Leaf | Branch | Value:
    """Give pixels turned round as wide as they are, though OW says 16 bits: so `node.dicom.frames` reads them too.

    Source: DICOM PS3.5 8.1.1.
    """
    if element.tag == PIXEL_DATA and isinstance(element, Leaf) and not element.little and element.vr == "OW":
        bits = int.from_bytes((header.value(_BITS_ALLOCATED) or b"")[:2], "big")
        wide = replace(element, vr={32: "OL", 64: "OV"}.get(bits, "OW"))
        return Value(vr=element.vr, pieces=_little(wide))
    return element


def _little(leaf: Leaf) -> list[Piece]:
    """Give a value in little endian; a long one that must be turned round in parts, each when its turn comes."""
    if leaf.little or len(leaf.value) <= CHUNK_BYTES:
        return [little_endian(leaf)]
    parts = (
        replace(leaf, value=leaf.value[at : at + CHUNK_BYTES])
        for at in range(0, len(leaf.value), CHUNK_BYTES)
    )
    return [Made(length=len(part.value), make=partial(_turned, part)) for part in parts]


def _turned(leaf: Leaf) -> bytes:
    return bytes(little_endian(leaf))


def _gathered(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Put short pieces together: few at once, more when their turn comes."""
    run: list[bytes | memoryview] = []
    size = 0
    for piece in pieces:
        alone = isinstance(piece, Made) or len(piece) > AT_ONCE_BYTES
        if run and (alone or size > AT_ONCE_BYTES):
            yield _joined(run, size)
            run, size = [], 0
        if isinstance(piece, Made) or alone:
            yield piece
        else:
            run.append(piece)
            size += len(piece)
    if run:
        yield _joined(run, size)


def _joined(run: list[bytes | memoryview], size: int) -> Piece:
    return b"".join(run) if size <= AT_ONCE_BYTES else Made(length=size, make=partial(b"".join, run))


def _bytes(piece: Piece) -> bytes | memoryview:
    return piece.give() if isinstance(piece, Made) else piece


def _size(pieces: Iterable[Piece]) -> int:
    return sum(map(length_of, pieces))


def _checked(size: int) -> int:
    if size > _LONGEST:
        raise InvalidRequest(
            "Rewriting an instance was refused: a value is longer than 4 GiB. Take it as stored."
        )
    return size
