"""Archived instances read for the index where they lie: as they arrived, and compared with each other. Nothing comes online.

The beginning of a data set is had of its member without decoding a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from node.archive.archived import is_archived, peek_archived_pack
from node.archive.copies import open_package
from node.archive.package.manifest import Instance, Series
from node.archive.package.members import read_record, turned_beginning
from node.archive.package.reading import Package
from node.archive.package.unzipping import Unzipped
from node.catalogue.arrivals import LAST_TAG, Arrival, arrival_of
from node.catalogue.contents import StoredContents
from node.catalogue.search import InstanceRow
from node.dicom.header import Header, scan
from node.dicom.part10 import PREAMBLE
from node.dicom.syntax import is_deflated
from node.errors import Damaged, GridError, Unavailable
from node.names import Digest
from node.node import Node
from node.store.facts import Entry, Location, MarkedRecord

_BEGINNINGS_BYTES = (16 << 10, 128 << 10, 1 << 20)


class PackagedContents(StoredContents):
    """Reads contents back wherever they lie, and brings nothing online for it."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self._of = node

    def data_set(self, row: InstanceRow) -> bytes:
        if not is_archived(row.pack):
            return super().data_set(row)
        with open_package(self._of, _digest_of(self._of, row.pack)) as package:
            return b"".join(package.original(row.offset))[len(PREAMBLE) + row.meta_bytes :]

    def arrival(self, row: InstanceRow) -> Arrival | None:
        if not is_archived(row.pack):
            return super().arrival(row)
        with open_package(self._of, _digest_of(self._of, row.pack)) as package:
            return next(iter(arrivals_in(self._of, package, row.pack, [row.offset], [])), None)


def arrivals_in(
    node: Node, package: Package, pack: str, numbers: Sequence[int], failed: list[str]
) -> Iterator[Arrival]:
    """Give instances of a package as they arrived, by their numbers; say of each that cannot be read why.

    Parameters
    ----------
    pack
        What their rows mean the package by.

    Raises
    ------
    GridError
        Nothing of it can be read now.
    """
    listed = {number: (series, each) for number, series, each in package.manifest.numbered()}
    entries = package.arrivals()
    for number in numbers:
        series, each = listed[number]

        def read(record: MarkedRecord, number: int = number, series: Series = series) -> Header:
            return _header(package, number, series, record.location)

        try:
            yield arrival_of(_record(entries[number - 1], pack, number, each), read, own=node.id)
        except Unavailable:
            raise
        except GridError as error:
            failed.append(f"instance {each.sop_uid}: {error.message}")


def _record(raw: bytes, pack: str, number: int, each: Instance) -> MarkedRecord:
    """Give an archived instance as its pack had it; its place is its number in the package."""
    try:
        entry = msgspec.json.decode(raw, type=Entry)
    except msgspec.MsgspecError as error:
        raise Damaged(
            f"Reading a package failed ({error}): what is known of an arrival is damaged. Use its other copy."
        ) from error
    return MarkedRecord(
        location=Location(
            pack=pack,
            offset=number,
            meta_bytes=each.meta_bytes,
            data_offset=number,
            data_bytes=each.data_bytes,
        ),
        facts=entry.facts,
        sop_class=entry.sop_class,
        sop_uid=entry.sop_uid,
        digest=each.digest,
        next_offset=0,
    )


def _header(package: Package, number: int, series: Series, location: Location) -> Header:
    """Index the beginning of an archived data set, as much as the catalogue needs; nothing is decoded."""
    before, syntax = len(PREAMBLE) + location.meta_bytes, series.transfer_syntax
    record = package.record(number)
    if record:
        plan, _ = read_record(record)
        member = Unzipped(package.source, *package.content(number))(plan.undo[-1][0])
        return scan(turned_beginning(member, record)[before:], syntax, size=location.data_bytes)
    for size in () if is_deflated(syntax) else _BEGINNINGS_BYTES:
        if size < location.data_bytes:
            read = Unzipped(package.source, *package.content(number))
            header = scan(read(before + size)[before:], syntax, size=location.data_bytes)
            if header.covers(LAST_TAG):
                return header
    return scan(b"".join(package.member(number))[before:], syntax)


def _digest_of(node: Node, pack: str) -> Digest:
    archived = peek_archived_pack(node.database, pack)
    if archived is None:
        raise Damaged(
            f"Reading an archived study failed: no package is known as {pack}. Run 'meridian verify'."
        )
    return archived.digest
