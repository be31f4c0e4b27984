"""Which instances an address names, and where their bytes lie.

Only the chosen contents of an instance are served. Another one (the same
content written otherwise, or one in conflict) is served to whoever names it by
``?digest=``.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path

from node.canonical import digest_of
from node.catalogue.fresh import peek_content
from node.catalogue.search import InstanceRow, instances_of, peek_instance
from node.dicom.header import Header, scan
from node.dicom.part10 import PREAMBLE
from node.errors import NotFound
from node.names import StudyKey
from node.node import Node
from web.dicomweb.stream import Region, read_pieces

BEGINNING_BYTES = 64 << 10
"""Mostly enough to hold everything before the pixel data."""
MAPPED_FROM_BYTES = 32 << 20
"""Larger data sets are mapped, not read: only what is looked at comes into memory."""


def find_held(
    node: Node, key: StudyKey, *, series_uid: str = "", sop_uid: str = "", digest: str = ""
) -> list[InstanceRow]:
    """Give instances in the order of their series and numbers.

    Raises
    ------
    NotFound
        There are none.
    """
    if sop_uid and not digest:
        one = peek_instance(node.database, key, sop_uid)
        held = [one] if one is not None else []
    else:
        held = instances_of(node.database, key, series_uid or None, chosen_only=not digest)
    found = [
        one
        for one in held
        if (not sop_uid or one.sop_uid == sop_uid)
        and (not series_uid or one.series_uid == series_uid)
        and (not digest or one.digest == digest)
    ]
    if not found:
        raise NotFound("Reading instances failed: the study holds none of these here. Search again.")
    return found


def file_pieces(node: Node, held: InstanceRow) -> list[bytes | Region]:
    """Give an instance as a DICOM file: preamble, then file meta and data set as they lie in the pack.

    Source: DICOM PS3.10 7.1.
    """
    return [PREAMBLE, _file_region(node, held)]


def _file_region(node: Node, held: InstanceRow) -> Region:
    """Give where file meta and data set lie; a study that is sent for long is found again when its packs were merged."""

    def again() -> Region | None:
        moved = peek_content(node.database, held)
        return None if moved is None or moved.pack == held.pack else _file_region(node, moved)

    return Region(
        path=pack_path(node, held),
        offset=held.data_offset - held.meta_bytes,
        length=held.meta_bytes + held.data_bytes,
        again=again,
    )


def pack_path(node: Node, held: InstanceRow) -> Path:
    """Give the file that an instance lies in."""
    return node.packs.path(held.pack)


def read_beginning(node: Node, held: InstanceRow) -> Header:
    """Index the beginning of a data set, or all of it when it is short."""
    region = Region(
        path=pack_path(node, held), offset=held.data_offset, length=min(held.data_bytes, BEGINNING_BYTES)
    )
    return scan(read_pieces([region]), held.transfer_syntax, size=held.data_bytes)


def read_whole(node: Node, held: InstanceRow) -> Header:
    """Index a whole data set."""
    if held.data_bytes < MAPPED_FROM_BYTES:
        region = Region(path=pack_path(node, held), offset=held.data_offset, length=held.data_bytes)
        return scan(read_pieces([region]), held.transfer_syntax)
    return scan(_mapped(pack_path(node, held), held), held.transfer_syntax)


def etag_of(held: Sequence[InstanceRow], *also: str) -> str:
    """Name an answer by the contents it is made of.

    Source: RFC 9110 8.8.3.
    """
    names = "\n".join([*(one.digest for one in held), *also])
    return f'"{digest_of(names)[:32]}"'


def _mapped(path: Path, held: InstanceRow) -> memoryview:
    skipped = held.data_offset % mmap.ALLOCATIONGRANULARITY
    descriptor = os.open(path, os.O_RDONLY)
    try:
        mapping = mmap.mmap(
            descriptor,
            held.data_bytes + skipped,
            access=mmap.ACCESS_READ,
            offset=held.data_offset - skipped,
        )
    finally:
        os.close(descriptor)
    return memoryview(mapping)[skipped:]
