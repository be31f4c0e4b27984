"""Rows that follow their bytes into a merged pack, and the end of the packs they came from.

The rows of all packs that were merged move in one batch, together with the due
times of the old packs: a crash leaves either the old places or the new ones.
An old pack is unlinked ten minutes after; who holds a row that long looks it up
once more (`node.catalogue.fresh`). Which packs are merged is `crowding`'s.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

from node.catalogue.registration import register
from node.catalogue.repointing import RETIRED_FOR, move_rows, retire, write_key
from node.clock import MINUTE, Micros
from node.database.port import Statement, convert_row, integer, text
from node.errors import Conflict, Damaged, GridError, InvalidRequest, NotFound
from node.failpoints import failpoint
from node.journal.cursors import advance, position
from node.names import StudyKey
from node.node import Node
from node.store.directory import ARCHIVED, DELETED
from node.store.facts import Location, MarkedRecord
from node.store.merging import MergedPack, sources_of
from node.store.packs import index_cursor
from node.store.record import Source

RETIRED_AT_ONCE = 100
PINNED_FOR: Micros = MINUTE
"""When unlinking is tried again while a backup pins packs."""
_PLACE = ("pack", "offset", "meta_bytes", "data_offset", "data_bytes")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What became of packs that were to be merged."""

    pack: str
    """The new one; empty when there was too little to merge."""
    left: dict[str, GridError]
    """The packs that were left as they are, and why."""


def merge_packs(node: Node, key: StudyKey, packs: Sequence[str]) -> Merged:
    """Copy closed packs of a study into one, and let the rows mean that.

    Raises
    ------
    Conflict
        A row was moved meanwhile; the old packs stand and nothing was changed.
    Unavailable
        The disk is at its reserve, or failed; the old packs stand.
    """
    node.packs.check_room(sum(_size(node, pack) for pack in packs))
    merged = MergedPack(node.packs, node.clock)
    taken: dict[str, tuple[int, int]] = {}
    left: dict[str, GridError] = {}
    try:
        for pack in packs:
            try:
                records, rows = _records_of(node, key, pack)
                taken[pack] = merged.take(pack, records), rows
            except (Damaged, InvalidRequest, NotFound) as error:
                left[pack] = error
        if len(taken) > 1:
            merged.finish()
    except BaseException:
        merged.drop()
        raise
    if len(taken) < 2:
        merged.drop()
        return Merged(pack="", left=left)
    _move(node, key, merged, taken)
    return Merged(pack=merged.name, left=left)


def settle_merges(node: Node) -> None:
    """Decide what a crash left half done: a merged pack that rows mean stays, another goes.

    Whoever still writes one holds it, and is left alone.
    """
    directory = node.packs.directory
    for pack in directory.merging():
        descriptor = directory.claim_merge(pack)
        if descriptor is None:
            continue
        try:
            kept = directory.path(pack).exists() and (_is_meant(node, pack) or _is_needed(node, pack))
            if not kept:
                node.packs.forget(pack)
            directory.end_merge(pack, kept=kept)
        except (Damaged, InvalidRequest) as error:
            _log.error("pack %s, which was merged when the node ended, stays as it is: %s", pack, error)
        finally:
            os.close(descriptor)


def retire_packs(node: Node) -> Micros | None:
    """Unlink packs whose time has come, some at a time; give when the next one's does, None when there is none."""
    with node.packs.directory.unpinned() as free:
        if not free:
            return node.now() + PINNED_FOR
        return _unlink_due(node)


def _unlink_due(node: Node) -> Micros | None:
    due = node.database.read(
        "SELECT pack, successor FROM retired_pack WHERE due <= ? ORDER BY due, pack LIMIT ?",
        (node.now(), RETIRED_AT_ONCE),
    )
    statements: list[Statement] = []
    gone: list[str] = []
    for row in due:
        pack, successor = text(row, "pack"), text(row, "successor")
        if not _stands(node, successor):
            _log.error("pack %s stays: pack %s, which took its place, is not here", pack, successor)
            later = node.now() + RETIRED_FOR
            statements.append(Statement("UPDATE retired_pack SET due = ? WHERE pack = ?", (later, pack)))
            continue
        statements.append(Statement("DELETE FROM retired_pack WHERE pack = ?", (pack,)))
        if not node.database.read("SELECT 1 AS means FROM online_instance WHERE pack = ? LIMIT 1", (pack,)):
            node.packs.forget(pack)
            gone.append(pack)
            statements.append(Statement("DELETE FROM cursor WHERE reader = ?", (index_cursor(pack),)))
    node.packs.directory.remove(*gone)
    if statements:
        failpoint("merge-unlinked")
        node.write(statements)
    (next_,) = node.database.read("SELECT min(due) AS due FROM retired_pack")
    return None if next_["due"] is None else integer(next_, "due")


def _stands(node: Node, successor: str) -> bool:
    """Say whether what took a pack's place is there: another pack, or a package in the archive; of a deleted study nothing is."""
    if successor.startswith(f"{DELETED}-"):
        return True
    if not successor.startswith(f"{ARCHIVED}-"):
        return node.packs.path(successor).exists()
    return bool(
        node.database.read(
            "SELECT 1 AS stands FROM archived JOIN package_copy USING (digest) WHERE archived.pack = ?"
            " AND package_copy.state = 'verified' LIMIT 1",
            (successor,),
        )
    )


def adopt_merged(node: Node, pack: str) -> None:
    """Register a merged pack that the index may not know: the database is older than the merge, or new.

    Rows that mean packs it took the place of follow into it; what of their records was never registered
    is; and where such a pack is here, still or again, it counts as registered, and goes in ten minutes.
    """
    database = node.database
    sources = sources_of(node.packs, pack)
    records = list(node.packs.marked(pack, 0))
    node.write([_follow(pack, source) for source in sources])
    known = {source.pack: position(database, index_cursor(source.pack)) for source in sources}
    new: list[MarkedRecord] = []
    cursors: list[Statement] = []
    if not position(database, index_cursor(pack)):
        new = [record for record in records if not _is_known(record.location.offset, sources, known)]
        cursors.append(advance(index_cursor(pack), before=0, after=records[-1].next_offset))
    for source in sources:
        if node.packs.path(source.pack).exists():
            if known[source.pack] < source.size_bytes:
                cursor = index_cursor(source.pack)
                cursors.append(advance(cursor, before=known[source.pack], after=source.size_bytes))
            cursors += retire(node, source.pack, pack, again=True)
    register(node, new, cursors=cursors)


def _move(node: Node, key: StudyKey, merged: MergedPack, taken: dict[str, tuple[int, int]]) -> None:
    statements = [advance(index_cursor(merged.name), before=0, after=merged.size)]
    for pack, (offset, rows) in taken.items():
        statements.append(
            Statement(
                "UPDATE online_instance SET pack = ?, offset = offset + ?, data_offset = data_offset + ?"
                " WHERE pack = ? AND origin = ? AND study_uid = ?",
                (merged.name, offset, offset, pack, key.origin, key.study_uid),
                expect=rows,
                refusal="Merging packs was refused: their rows were moved meanwhile. Read them again.",
            )
        )
        statements += retire(node, pack, merged.name)
    move_rows(node, merged, statements)


def _follow(pack: str, source: Source) -> Statement:
    return Statement(
        "UPDATE online_instance SET pack = ?, offset = offset + ?, data_offset = data_offset + ? WHERE pack = ?",
        (pack, source.offset, source.offset, source.pack),
    )


def _is_known(offset: int, sources: Sequence[Source], known: dict[str, int]) -> bool:
    return any(0 <= offset - one.offset < min(known[one.pack], one.size_bytes) for one in sources)


def _is_meant(node: Node, pack: str) -> bool:
    """Say whether the batch that moves rows into a pack was written; if not, it cannot be from here on."""
    node.database.write([], write_key(pack))
    return position(node.database, index_cursor(pack)) > 0


def _is_needed(node: Node, pack: str) -> bool:
    """Say whether a pack holds what no other does: one whose place it took is gone, as after a restore."""
    if all(node.packs.path(one.pack).exists() for one in _direct(sources_of(node.packs, pack))):
        return False
    node.packs.directory.land(pack)
    return True


def _direct(sources: Sequence[Source]) -> list[Source]:
    """Give the packs that were copied, without those whose place they had taken."""
    direct: list[Source] = []
    for one in sources:
        if not direct or one.offset >= direct[-1].offset + direct[-1].size_bytes:
            direct.append(one)
    return direct


def _size(node: Node, pack: str) -> int:
    try:
        return node.packs.path(pack).stat().st_size
    except FileNotFoundError as error:
        raise Conflict(
            f"Merging pack {pack} was refused: it was merged already. Read the rows again."
        ) from error


def _records_of(node: Node, key: StudyKey, pack: str) -> tuple[list[MarkedRecord], int]:
    """Give a pack's records and the number of rows that mean it, held against each other.

    Raises
    ------
    Damaged, InvalidRequest
        It holds something that the catalogue does not know, or does not agree with; it stays where it is.
    """
    if node.packs.directory.is_landing(pack):
        raise InvalidRequest(f"Merging pack {pack} was refused: the index has not read its end yet.")
    rows = {
        integer(row, "offset"): row
        for row in node.database.read("SELECT * FROM online_instance WHERE pack = ?", (pack,))
    }
    count = len(rows)
    if any((row["origin"], row["study_uid"]) != (key.origin, key.study_uid) for row in rows.values()):
        raise InvalidRequest(f"Merging pack {pack} was refused: it holds instances of several studies.")
    records = list(node.packs.marked(pack, 0))
    for record in records:
        row = rows.pop(record.location.offset, None)
        if row is None:
            agrees = _is_repeat(node, key, record)
        else:
            place = convert_row({name: row[name] for name in _PLACE}, Location)
            agrees = (row["digest"], place) == (record.digest, record.location)
        if not agrees:
            raise InvalidRequest(
                f"Merging pack {pack} was refused: the record at byte {record.location.offset} has no row that agrees."
            )
    if rows:
        raise Damaged(f"Merging pack {pack} was refused: a row means a record that is not there.")
    return records, count


def _is_repeat(node: Node, key: StudyKey, record: MarkedRecord) -> bool:
    """Say whether a record without a row of its own holds a content that has one elsewhere."""
    return bool(
        node.database.read(
            "SELECT 1 AS known FROM instance WHERE origin = ? AND study_uid = ? AND sop_uid = ? AND digest = ?",
            (key.origin, key.study_uid, record.sop_uid, record.digest),
        )
    )
