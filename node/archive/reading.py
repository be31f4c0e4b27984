"""An archived instance read where it lies: its header, and its frames as the package has them, without bringing its study.

Nothing is decoded here. What is given was compared with its digest first; what cannot be given so is left to
`recalling.bring`. A package stays open while it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from node.archive.archived import DAMAGED, peek_archived_pack
from node.archive.copies import note_copy, stored_of, usable_copies
from node.archive.opened import Opened
from node.archive.package.reading import Package
from node.catalogue.search import InstanceRow
from node.dicom.encoding import Encoding
from node.dicom.header import Header, scan
from node.dicom.part10 import PREAMBLE
from node.dicom.syntax import is_deflated
from node.dicom.walk import PIXEL_DATA
from node.errors import Damaged, GridError, Unavailable
from node.failpoints import planted
from node.node import Node

MOST_MEMBER_BYTES = 16 << 20
"""A larger member is not read whole for its header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFrame:
    """A frame as a package has it."""

    transfer_syntax: str
    content: bytes


def peek_frame(node: Node, row: InstanceRow, number: int, *, at_once: bool = False) -> ArchivedFrame | None:
    """Give a frame of an archived instance as its package has it; None when it must be brought.

    Parameters
    ----------
    at_once
        No slow medium is asked for it.
    """
    try:
        with _package(node, row.pack, at_once=at_once) as package:
            instance = package.instance(row.offset)
            _check(row, sop_uid=instance.sop_uid, digest=instance.digest)
            if not 1 <= number <= len(instance.places):
                return None
            syntax = instance.syntax or row.transfer_syntax
            return ArchivedFrame(transfer_syntax=syntax, content=package.frame(row.offset, number))
    except GridError:
        return None


def peek_described(node: Node, row: InstanceRow, *, at_once: bool = False) -> Header | None:
    """Index an archived data set, two bytes in place of its pixels; None when it must be brought. As `peek_frame`."""
    if is_deflated(row.transfer_syntax):
        return None
    try:
        with _package(node, row.pack, at_once=at_once) as package:
            instance = package.instance(row.offset)
            _check(row, sop_uid=instance.sop_uid, digest=instance.digest)
            if package.content(row.offset)[2] > MOST_MEMBER_BYTES:
                return None
            member = b"".join(package.member(row.offset))
            beginning = package.beginning(row.offset, member)[len(PREAMBLE) + row.meta_bytes :]
    except GridError:
        return None
    return _without_pixels(beginning, row)


def _without_pixels(beginning: bytes, row: InstanceRow) -> Header | None:
    header = scan(beginning, row.transfer_syntax, size=row.data_bytes)
    if len(beginning) == row.data_bytes:
        return header
    pixels = header.elements.get(PIXEL_DATA)
    if pixels is None or pixels.undefined or pixels.offset + pixels.length != row.data_bytes:
        return None  # something stands behind its pixels, or they came compressed
    how = Encoding(explicit=header.explicit, little=header.little)
    stand_in = how.element(PIXEL_DATA, pixels.vr or "OW", bytes(2))
    return scan(beginning[: pixels.start] + stand_in, row.transfer_syntax)


@contextmanager
def _package(node: Node, pack: str, *, at_once: bool) -> Iterator[Package]:
    """Give the package that rows mean by a name; a copy that is not what it was is noted, and the next one is taken then."""
    opened = node.archive.opened
    with opened.lent(pack, lambda: _open(node, pack, at_once=at_once)) as held:
        try:
            yield held.package
        except Damaged as error:
            opened.drop(pack)
            note_copy(node, held.copy, DAMAGED, error)
            raise


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


def _check(row: InstanceRow, *, sop_uid: str, digest: str) -> None:
    if (row.sop_uid, row.digest) != (sop_uid, digest):
        raise Damaged(
            "Reading an archived study failed: its package holds another instance. Run 'meridian verify'."
        )
