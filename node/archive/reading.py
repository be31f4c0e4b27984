"""An archived instance read where it lies: its header, and its frames as the package has them, without bringing its study.

Nothing is decoded here. What is given was compared with its digest first; what cannot be given so is left to
`recalling.bring`. A package stays open while it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from node.archive.archived import DAMAGED, peek_archived_pack
from node.archive.copies import note_copy, stored_of, usable_copies
from node.archive.opened import Opened
from node.archive.package.manifest import Instance
from node.archive.package.reading import Package
from node.archive.package.unzipping import read_place
from node.catalogue.search import InstanceRow
from node.dicom.encoding import Encoding
from node.dicom.header import Header, scan
from node.dicom.part10 import PREAMBLE
from node.dicom.syntax import is_deflated
from node.dicom.walk import PIXEL_DATA, SEQUENCE_END
from node.errors import Damaged, GridError, Unavailable
from node.failpoints import planted
from node.node import Node

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFrame:
    """A frame as a package has it."""

    transfer_syntax: str
    content: bytes | bytearray


def peek_frame(node: Node, row: InstanceRow, number: int, *, at_once: bool = False) -> ArchivedFrame | None:
    """Give a frame of an archived instance as its package has it; None when it must be brought.

    Parameters
    ----------
    at_once
        No slow medium is asked for it.
    """

    def read(package: Package) -> ArchivedFrame | None:
        instance = _instance(package, row)
        if not 1 <= number <= len(instance.places):
            return None
        content = read_place(package.source, instance.places[number - 1])
        return ArchivedFrame(transfer_syntax=instance.syntax or row.transfer_syntax, content=content)

    return _read(node, row.pack, read, at_once=at_once)


def peek_described(node: Node, row: InstanceRow, *, at_once: bool = False) -> Header | None:
    """Index an archived data set, two bytes in place of its pixels; None when it must be brought. As `peek_frame`."""
    if is_deflated(row.transfer_syntax):
        return None

    def read(package: Package) -> bytes:
        _instance(package, row)
        return package.beginning(row.offset)[len(PREAMBLE) + row.meta_bytes :]

    beginning = _read(node, row.pack, read, at_once=at_once)
    return None if beginning is None else _without_pixels(beginning, row)


def _without_pixels(beginning: bytes, row: InstanceRow) -> Header | None:
    header = scan(beginning, row.transfer_syntax, size=row.data_bytes)
    if len(beginning) == row.data_bytes:
        return header
    how = Encoding(explicit=header.explicit, little=header.little)
    if header.open_tag == PIXEL_DATA:
        items = how.item(b"") + how.item(bytes(2)) + how.mark(SEQUENCE_END)
        return scan(beginning + items, row.transfer_syntax)
    pixels = header.elements.get(PIXEL_DATA)
    if pixels is None or pixels.offset + pixels.length != row.data_bytes:
        return None  # something stands behind its pixels
    stand_in = how.element(PIXEL_DATA, pixels.vr or "OW", bytes(2))
    return scan(beginning[: pixels.start] + stand_in, row.transfer_syntax)


def _read(node: Node, pack: str, read: Callable[[Package], T | None], *, at_once: bool) -> T | None:
    """Read in the package that rows mean by a name; None when that fails.

    A copy that is not what it was is noted, and the next one is taken the next time.
    """
    opened = node.archive.opened
    try:
        held = opened.borrow(pack, lambda: _open(node, pack, at_once=at_once))
        try:
            return read(held.package)
        except Damaged as error:
            opened.drop(pack)
            note_copy(node, held.copy, DAMAGED, error)
            return None
        finally:
            opened.give_back(held)
    except GridError:
        return None


def _open(node: Node, pack: str, *, at_once: bool) -> Opened:
    archived = peek_archived_pack(node.database, pack)
    if archived is None:
        raise Damaged(
            f"Reading an archived study failed: no package is known as {pack}. Run 'meridian verify'."
        )
    errors: list[GridError] = []
    for copy in usable_copies(node, archived.digest):
        store = node.archive.store(copy.store)
        if at_once and store.is_slow and not planted("slow-medium-asked"):
            continue
        try:
            file = store.open(stored_of(copy))
        except GridError as error:
            errors.append(error)
            continue
        try:
            return Opened(package=Package(file), file=file, copy=copy)
        except GridError as error:
            file.close()
            if isinstance(error, Damaged):
                note_copy(node, copy, DAMAGED, error)
            errors.append(error)
    raise (
        errors[0]
        if errors
        else Unavailable("Reading an archived study was put off: no whole copy of it is at hand.")
    )


def _instance(package: Package, row: InstanceRow) -> Instance:
    instance = package.instance(row.offset)
    if instance.digest != row.digest or instance.sop_uid != row.sop_uid:
        raise Damaged(
            "Reading an archived study failed: its package holds another instance. Run 'meridian verify'."
        )
    return instance
