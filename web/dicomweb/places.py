"""What this process remembers of instances: where frames lie, and whose reading was noted.

All of it can be lost; nothing here decides who may see.
"""

from __future__ import annotations

import threading

from node.catalogue.search import InstanceRow
from node.catalogue.stored import stored_beginning, stored_whole
from node.clock import MINUTE, Micros
from node.dicom.frames import Span, frame_of, frame_spans
from node.dicom.header import Header, scan
from node.dicom.syntax import is_deflated, is_encapsulated
from node.dicom.walk import PIXELS
from node.names import StudyKey
from node.node import Node
from node.store.regions import Region
from web.dicomweb.pieces import Piece
from web.dicomweb.stream import read_from_memory

_PIXEL_PATHS = frozenset(f"{tag:08X}" for tag in PIXELS)
GLANCE_BYTES = 8 << 10
"""As much as is looked through on the event loop."""
FRAMES = 20_000
READINGS = 5_000
AGAIN_AFTER: Micros = 60 * MINUTE
"""A person's reading of a study is noted once in this time."""


class FramePlaces:
    """Where frames lie in packs, the latest asked for; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int, int], list[Piece]] = {}

    def pieces(self, node: Node, held: InstanceRow, number: int, header: Header | None = None) -> list[Piece]:
        """Give the bytes of a frame as regions of the pack; as bytes where no region has them.

        Parameters
        ----------
        header
            What was read of it for another reason, at least its beginning.

        Raises
        ------
        NotFound, InvalidRequest
            As `node.dicom.frames.frame_spans`.
        """
        known = self.peek(held, number)
        if known is not None:
            return known
        place = (held.pack, held.data_offset, number)
        found = _located(node, held, number, header)
        self._keep(place, found)
        return found

    def _keep(self, place: tuple[str, int, int], found: list[Piece]) -> None:
        if not all(isinstance(piece, Region) for piece in found):
            return
        with self._lock:
            self._known[place] = found
            if len(self._known) > FRAMES:
                self._known.pop(next(iter(self._known)))

    def peek(self, held: InstanceRow, number: int) -> list[Piece] | None:
        """Give what is known of a frame; None when it was not looked for lately."""
        place = (held.pack, held.data_offset, number)
        with self._lock:
            known = self._known.pop(place, None)
            if known is not None:
                self._known[place] = known  # the latest used stands last
            return known

    def peek_region(self, node: Node, held: InstanceRow, number: int) -> Region | None:
        """Give where a frame lies, without waiting for the disk: as known, or by a look at what stands before it.

        Nothing of that is shown, so it may come from the pack as it lies there. None for what does not lie in one run.
        """
        known = self.peek(held, number)
        if known is None:
            known = _glanced(node, held, number)
            if known is None:
                return None
            self._keep((held.pack, held.data_offset, number), known)
        return known[0] if len(known) == 1 and isinstance(known[0], Region) else None

    def pixel_data(self, node: Node, held: InstanceRow, path: str) -> list[Piece] | None:
        """Give the whole value of native pixel data as a region of the pack; None for anything else."""
        if is_deflated(held.transfer_syntax) or path not in _PIXEL_PATHS:
            return None
        header = stored_beginning(node, held)
        element = header.elements.get(int(path, 16))
        if element is None or element.undefined or not header.little:
            return None
        return [
            Region(
                path=node.packs.path(held.pack),
                offset=held.data_offset + element.offset,
                length=element.length,
            )
        ]


class Readings:
    """Who was noted for which study, lately; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: dict[tuple[str, StudyKey, str], Micros] = {}

    def is_new(self, person: str, key: StudyKey, claimed: str, *, now: Micros) -> bool:
        """Say whether this is to be noted, and remember that it was."""
        with self._lock:
            place = (person, key, claimed)
            at = self._noted.pop(place, None)
            fresh = at is None or now - at >= AGAIN_AFTER
            self._noted[place] = now if fresh or at is None else at
            if len(self._noted) > READINGS:
                self._noted.pop(next(iter(self._noted)))
            return fresh

    def is_known(self, person: str, key: StudyKey, claimed: str, *, now: Micros) -> bool:
        """Say whether this was noted lately."""
        with self._lock:
            at = self._noted.get((person, key, claimed))
            return at is not None and now - at < AGAIN_AFTER


def _glanced(node: Node, held: InstanceRow, number: int) -> list[Piece] | None:
    """Find a native frame by the first bytes of a data set, when they are in memory and tell."""
    if is_deflated(held.transfer_syntax) or is_encapsulated(held.transfer_syntax):
        return None
    length = min(held.data_bytes, GLANCE_BYTES)
    beginning = read_from_memory(
        node.packs, [Region(path=node.packs.path(held.pack), offset=held.data_offset, length=length)]
    )
    if beginning is None:
        return None
    header = scan(beginning, held.transfer_syntax, size=held.data_bytes)
    if not _has_native_pixels(header) or not _lies_as_given(header):
        return None
    return _regions(node, held, frame_spans(header, number))


def _located(node: Node, held: InstanceRow, number: int, known: Header | None) -> list[Piece]:
    header = known or stored_beginning(node, held)
    if not header.whole and not _has_native_pixels(header):
        header = stored_whole(node, held)
    if is_deflated(held.transfer_syntax) or not _lies_as_given(header):
        return [frame_of(header if header.whole else stored_whole(node, held), number)]
    return _regions(node, held, frame_spans(header, number))


def _regions(node: Node, held: InstanceRow, spans: list[Span]) -> list[Piece]:
    path = node.packs.path(held.pack)
    return [Region(path=path, offset=held.data_offset + span.offset, length=span.length) for span in spans]


def _has_native_pixels(header: Header) -> bool:
    """Say whether the beginning that was read names its pixel data, of known length."""
    return any(tag in header.elements and not header.elements[tag].undefined for tag in PIXELS)


def _lies_as_given(header: Header) -> bool:
    """Say whether frames are runs of the stored bytes: not swapped, and beginning at a byte."""
    bits = header.value(0x00280100) or b""
    one_bit = int.from_bytes(bits[:2], "little" if header.little else "big") == 1
    encapsulated = any(tag in header.elements and header.elements[tag].undefined for tag in PIXELS)
    return encapsulated or (header.little and not one_bit)
