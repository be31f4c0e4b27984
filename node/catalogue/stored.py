"""Where an instance's bytes lie, and its header as it is stored: for whoever looks at pixels, or compares.

What leaves this node goes through `node.catalogue.exits`: only there is it as corrected.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from node.archive.archived import is_archived
from node.archive.reading import peek_described
from node.catalogue.fresh import peek_moved
from node.catalogue.search import InstanceRow
from node.dicom.header import Header, scan
from node.node import Node
from node.store.regions import Region, read_pieces

BEGINNING_BYTES = 64 << 10
"""Mostly enough to hold everything before the pixel data."""
MAPPED_FROM_BYTES = 32 << 20
"""Larger data sets are mapped, not read: only what is looked at comes into memory."""


def stored_region(node: Node, row: InstanceRow, *, offset: int = 0, length: int | None = None) -> Region:
    """Give a stretch of a data set in its pack; found again when its pack was merged by the time it is sent.

    Parameters
    ----------
    offset
        From the start of the data set; file meta lies before it, at ``-row.meta_bytes``.
    """
    count = row.data_bytes - offset if length is None else length

    def again() -> Region | None:
        moved = peek_moved(node, row)
        return None if moved is None else stored_region(node, moved, offset=offset, length=count)

    return Region(path=node.packs.path(row.pack), offset=row.data_offset + offset, length=count, again=again)


def stored_beginning(node: Node, row: InstanceRow, *, size: int = BEGINNING_BYTES) -> Header:
    """Index the beginning of a data set, or all of it when it is short."""
    region = _here(node, row, min(row.data_bytes, size))
    return scan(read_pieces([region]), row.transfer_syntax, size=row.data_bytes)


def stored_whole(node: Node, row: InstanceRow) -> Header:
    """Index a whole data set."""
    if row.data_bytes < MAPPED_FROM_BYTES:
        return scan(read_pieces([_here(node, row, row.data_bytes)]), row.transfer_syntax)
    return scan(_mapped(node.packs.path(row.pack), row), row.transfer_syntax)


def stored_described(node: Node, row: InstanceRow) -> Header:
    """Index a whole data set for its words; two bytes stand for the pixels of one that is read in the archive."""
    described = peek_described(node, row) if is_archived(row.pack) else None
    return stored_whole(node, row) if described is None else described


def _here(node: Node, row: InstanceRow, length: int) -> Region:
    """Give a region that raises when its pack is gone, so that the caller reads through `read_fresh`."""
    return Region(path=node.packs.path(row.pack), offset=row.data_offset, length=length)


def _mapped(path: Path, row: InstanceRow) -> memoryview:
    skipped = row.data_offset % mmap.ALLOCATIONGRANULARITY
    descriptor = os.open(path, os.O_RDONLY)
    try:
        mapping = mmap.mmap(
            descriptor,
            row.data_bytes + skipped,
            access=mmap.ACCESS_READ,
            offset=row.data_offset - skipped,
        )
    finally:
        os.close(descriptor)
    return memoryview(mapping)[skipped:]
