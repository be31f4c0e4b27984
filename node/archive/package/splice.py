"""What stands before the pixels of a member, and what turns it back into the original.

An explicit VR original is spliced: the same bytes but for the transfer syntax and the values that must tell the truth
about the new pixel data. What is kept to turn it back is the bytes that were replaced, no more. An implicit VR
original is written anew in explicit VR, and all that stood before its pixels is kept.

Source: DICOM PS3.10 7.1; PS3.5 7.1, 7.2 (group length), 8.2, A.4.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from node.archive.package.rule import PHOTOMETRIC, PLANAR, RGB
from node.dicom.encoding import Encoding
from node.dicom.header import Header
from node.dicom.native import Value, write_native
from node.dicom.part10 import PREAMBLE, meta_elements
from node.dicom.walk import PIXEL_DATA
from node.imaging.lossless import HTJ2K, Syntax
from node.store.regions import Made

_SYNTAX, _META_LENGTH = 0x00020010, 0x00020000
_IMAGE_LENGTH, _PIXELS_LENGTH = 0x00280000, 0x7FE00000
_EXPLICIT = Encoding(explicit=True, little=True)


@dataclass(frozen=True, slots=True)
class Undo:
    """A stretch of a member, and what stood in its place."""

    start: int
    stop: int
    old: bytes


@dataclass(slots=True)
class Head:
    """The beginning of a member, up to its pixel data element."""

    content: bytearray = field(default_factory=bytearray)
    undo: list[Undo] = field(default_factory=list)

    def keep(self, raw: bytes | memoryview) -> None:
        """Go on with bytes of the original."""
        self.content += raw

    def replace(self, old: bytes | memoryview, new: bytes) -> None:
        """Go on with other bytes than the original's."""
        start = len(self.content)
        self.content += new
        self.undo.append(Undo(start, len(self.content), bytes(old)))


def spliced(file_meta: bytes, header: Header, syntax: Syntax) -> Head:
    """Give what stands before the pixel data element of an instance coded in a syntax; ``file_meta`` is its group 0002."""
    new: dict[int, bytes] = {}
    if header.value(PLANAR) not in (None, b"\0\0"):
        new[PLANAR] = b"\0\0"
    if syntax == HTJ2K and header.text(PHOTOMETRIC) == RGB:
        new[PHOTOMETRIC] = b"YBR_RCT "
    head = Head()
    head.keep(PREAMBLE)
    _splice_meta(head, file_meta, syntax)
    if header.explicit:
        _splice_data(head, header, new)
    else:
        pixels = header.elements[PIXEL_DATA]
        head.undo.clear()  # all of it is kept, so what was replaced in it says nothing more
        whole = Head()
        whole.replace(
            PREAMBLE + file_meta + header.data[: pixels.start].tobytes(),
            bytes(head.content) + _rewritten(header, new),
        )
        return whole
    return head


def _splice_meta(head: Head, file_meta: bytes, syntax: Syntax) -> None:
    found = {element.tag: element for element in meta_elements(file_meta)}
    element = _EXPLICIT.element(_SYNTAX, "UI", syntax.encode())
    told = found[_SYNTAX]
    changes = {told.start: (told.end, element)}
    if (length := found.get(_META_LENGTH)) is not None and length.end - length.value == 4:
        grown = len(element) - (told.end - told.start)
        said = struct.unpack_from("<L", file_meta, length.value)[0] + grown
        changes[length.start] = (length.end, _EXPLICIT.element(_META_LENGTH, "UL", struct.pack("<L", said)))
    at = 0
    for start, (end, written) in sorted(changes.items()):
        head.keep(file_meta[at:start])
        head.replace(file_meta[start:end], written)
        at = end
    head.keep(file_meta[at:])


def _splice_data(head: Head, header: Header, new: Mapping[int, bytes]) -> None:
    changes: dict[int, tuple[int, bytes]] = {}
    grown = 0
    for tag, value in new.items():
        element = header.elements[tag]
        written = _EXPLICIT.element(tag, "CS" if tag == PHOTOMETRIC else "US", value)
        grown += len(written) - (element.offset + element.length - element.start)
        changes[element.start] = (element.offset + element.length, written)
    if new and (length := header.elements.get(_IMAGE_LENGTH)) is not None and length.length == 4:
        said = struct.unpack_from("<L", header.data, length.offset)[0] + grown
        changes[length.start] = (
            length.offset + length.length,
            _EXPLICIT.element(_IMAGE_LENGTH, "UL", struct.pack("<L", said)),
        )
    if (length := header.elements.get(_PIXELS_LENGTH)) is not None:
        changes[length.start] = (length.offset + length.length, b"")  # the new one is not known yet
    at = 0
    for start, (end, written) in sorted(changes.items()):
        head.keep(header.data[at:start])
        head.replace(header.data[start:end], written)
        at = end
    head.keep(header.data[at : header.elements[PIXEL_DATA].start])


def _rewritten(header: Header, new: Mapping[int, bytes]) -> bytes:
    replaced: dict[int, Value | None] = {
        tag: Value(vr="CS" if tag == PHOTOMETRIC else "US", pieces=[value]) for tag, value in new.items()
    }
    replaced[PIXEL_DATA] = None
    pieces = write_native(header, explicit=True, replaced=replaced)
    return b"".join(piece.give() if isinstance(piece, Made) else piece for piece in pieces)
