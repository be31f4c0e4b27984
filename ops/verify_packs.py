"""Packs against the catalogue: every row's bytes, and a row for every instance that was indexed.

Packs may be merged meanwhile: a place that is gone is asked for once more, and
while an old and a new pack are both here, the content of each record has a row.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.catalogue.fresh import read_fresh
from node.catalogue.search import InstanceRow
from node.database.port import read_as, text
from node.errors import Damaged, GridError, NotFound
from node.journal.cursors import position
from node.node import Node
from node.store.directory import DELETED, is_damaged
from node.store.facts import Location, MarkedRecord
from node.store.packs import index_cursor
from ops.findings import Finding


def verify_packs(node: Node) -> Iterator[Finding]:
    """Give what is wrong with packs, pack by pack."""
    # Rows first: a pack that appears in between has its file, not yet its rows.
    rows = node.database.read("SELECT DISTINCT pack FROM online_instance")
    meant = {pack for row in rows if not is_damaged(pack := text(row, "pack"))}
    yield from _verify_damaged(node)
    here = set(node.packs.names()) - _going(node)
    for pack in sorted(meant | here):
        if pack in here:
            yield from _verify_pack(node, pack)
        else:
            yield from _missing(node, pack)


def _going(node: Node) -> set[str]:
    """Give packs of deleted studies that are still to be unlinked: nothing of them is to have a row."""
    rows = node.database.read(
        f"SELECT pack FROM retired_pack WHERE successor LIKE '{DELETED}-%'"
        " UNION SELECT what FROM deletion_step WHERE kind = 'pack' AND state <> 'done'"
    )
    return {text(row, "pack") for row in rows}


def _verify_pack(node: Node, pack: str) -> Iterator[Finding]:
    indexed = position(node.database, index_cursor(pack)) if pack in node.packs.landing() else None
    known: set[int] = set()
    damaged: set[int] = set()
    rows = read_as(
        node.database,
        InstanceRow,
        "SELECT * FROM online_instance WHERE pack = ? ORDER BY offset",
        (pack,),
    )
    for row in rows:
        known.add(row.offset)
        finding = _verify_row(node, row)
        if finding is not None:
            damaged.add(row.offset)
            yield finding
    at = 0
    try:
        for record in node.packs.marked(pack, 0):
            at = record.location.offset
            if at not in known and (indexed is None or at < indexed):
                yield from _verify_unlisted(node, record)
            at = record.next_offset
    except NotFound:
        return  # it never held a record, and was dropped since it was listed
    except GridError as error:
        if at not in damaged:
            yield Finding(where=f"pack {pack} at byte {at}", what=str(error))


def _verify_row(node: Node, row: InstanceRow) -> Finding | None:
    """Hold a row against the record that it means."""
    where = f"{_place(row.location)}, {_named(row)}"
    try:
        digest = read_fresh(node, row, lambda row: node.packs.check(row.location))
    except GridError as error:
        return Finding(where=where, what=str(error))
    if digest == row.digest:
        return None
    return Finding(
        where=where,
        what=f"the catalogue means digest {row.digest[:16]}, the pack holds {digest[:16]}",
        todo="restore the database from the backup and compare",
    )


def _verify_unlisted(node: Node, record: MarkedRecord) -> Iterator[Finding]:
    """Look at a record that no row means: a repeat, one that could not be read, or one whose row is gone."""
    location = record.location
    try:
        node.packs.check(location)
    except Damaged as error:
        yield Finding(where=_place(location), what=str(error))
    facts = record.facts
    known = node.database.read(
        "SELECT 1 AS known FROM instance WHERE origin = ? AND study_uid = ? AND sop_uid = ? AND digest = ?"
        " UNION ALL SELECT 1 FROM problem WHERE subject = ?",
        (
            facts.origin,
            facts.study_uid,
            record.sop_uid,
            record.digest,
            f"pack/{location.pack}/{location.offset}",
        ),
    )
    if not known:
        yield Finding(
            where=_place(location),
            what=f"instance {record.sop_uid} was indexed, and the catalogue has no row of it",
            todo="restore the database from the backup, or let the index be built again",
        )


def _verify_damaged(node: Node) -> Iterator[Finding]:
    """Name the rows whose records were found damaged already."""
    sql = "SELECT * FROM online_instance WHERE pack >= 'damaged-' AND pack < 'damaged.' ORDER BY pack, offset"
    for row in read_as(node.database, InstanceRow, sql):
        yield Finding(
            where=f"{_place(row.location)}, {_named(row)}",
            what="its record is known to be damaged, and it is not served",
            todo="have the study sent again, fetch it from a peer, or let 'meridian archive scrub' try to heal it",
        )


def _missing(node: Node, pack: str) -> Iterator[Finding]:
    rows = node.database.read(
        "SELECT origin, study_uid, count(*) AS n FROM online_instance WHERE pack = ? GROUP BY origin, study_uid",
        (pack,),
    )
    held = ", ".join(f"{row['n']} instances of study {row['origin']}/{row['study_uid']}" for row in rows)
    if held and not node.packs.path(pack).exists():  # else it was merged since it was listed
        yield Finding(
            where=f"pack {pack}",
            what=f"its file is gone, and with it {held}",
            todo="restore it from the backup, or fetch the study again from its sender or a peer",
        )


def _place(location: Location) -> str:
    return f"pack {location.pack} at byte {location.offset}"


def _named(row: InstanceRow) -> str:
    return f"instance {row.sop_uid} of study {row.origin}/{row.study_uid}"
