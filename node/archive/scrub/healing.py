"""A damaged pack healed: what is whole in it is copied, what is not comes from the study's package, and rows mean the new pack.

The whole pack is left, not the damaged records alone: its disk may go on to spoil it. Its file is kept in ``damaged/``
beside the packs, where nobody serves it, for whoever finds out what happened. Killed at any point, the rows say how far
it has come. Of what nothing whole is left, a list is shown once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from node.archive.archived import ArchivedRow
from node.archive.copies import local_package
from node.archive.package.restoring import restore_into
from node.archive.scrub.damage import (
    healed,
    lost,
    moved,
    note_damage,
    packs_of_study,
    rows_apart,
)
from node.archive.scrub.examining import is_broken, rows_of
from node.archive.scrub.rotation import BROKEN, GONE_ASIDE, later
from node.catalogue.repointing import move_rows
from node.catalogue.search import InstanceRow
from node.clock import MINUTE, Micros
from node.database.port import Statement, read_as, text
from node.errors import Conflict, Damaged, GridError
from node.failpoints import failpoint
from node.journal.cursors import advance
from node.names import StudyKey
from node.node import Node
from node.store.merging import MergedPack
from node.store.packs import index_cursor

AGAIN: Micros = 60 * MINUTE
"""After this a package is asked for again that no store gave."""
Place = tuple[InstanceRow, int, int]
"""A row, and where its record and data set stand in the new pack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed:
    """What healing came to, in instances or copies."""

    healed: int = 0
    lost: int = 0
    waiting: int = 0
    """Of which a store that is away may have a copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Restored:
    places: list[Place]
    left: list[InstanceRow]
    away: bool
    """Whether a package could not be had now."""


def heal_study(node: Node, key: StudyKey) -> None:
    """Put right what can be of a study's damaged records, for whoever reads them; blocks until it is done."""
    for pack in packs_of_study(node, key):
        with suppress(Conflict):  # somebody else was first: what she left is read
            heal_pack(node, pack)


def heal_pack(node: Node, pack: str) -> Healed:
    """Move the rows of a damaged pack to a new one that is whole, and put its file aside.

    Raises
    ------
    Conflict
        A row was moved meanwhile; nothing was changed.
    Unavailable
        The disk has no room, or failed.
    """
    with node.archive.alone(f"heal-{pack}"):
        found = _heal(node, pack)
    set_aside(node)
    return found


def set_aside(node: Node) -> None:
    """Move packs that were healed, and that no row means any more, into ``damaged/``; also those that a crash left."""
    for row in node.database.read("SELECT pack FROM scrubbed WHERE state = ?", (GONE_ASIDE,)):
        pack = text(row, "pack")
        if not node.database.read("SELECT 1 AS meant FROM online_instance WHERE pack = ? LIMIT 1", (pack,)):
            node.packs.forget(pack)
            node.packs.directory.set_aside(pack)
        node.database.write(
            [
                Statement("DELETE FROM scrubbed WHERE pack = ? AND state = ?", (pack, GONE_ASIDE)),
                Statement("DELETE FROM cursor WHERE reader = ?", (index_cursor(pack),)),
            ],
            node.new_id(),
        )


def _heal(node: Node, pack: str) -> Healed:
    good, apart = rows_of(node, pack), rows_apart(node, pack)
    node.packs.check_room(sum(row.data_bytes for row in (*good, *apart)))
    merged = MergedPack(node.packs, node.clock)
    try:
        copied, spoiled = _copied(node, merged, good)
        if spoiled:  # since it was examined
            note_damage(node, pack, spoiled, "found while it was copied")
            apart = rows_apart(node, pack) or list(spoiled)
        restored = _restored(node, merged, apart)
        places = [*copied, *restored.places]
        if places:
            merged.finish()
    except BaseException:
        merged.drop()
        raise
    statements = _statements(node, pack, restored)
    if not places:
        merged.drop()
        node.write(statements)
    else:
        move_rows(node, merged, [*statements, *_moves(node, merged, places)])
    failpoint("scrub-healed")
    gone = 0 if restored.away else len(restored.left)
    return Healed(healed=len(restored.places), lost=gone, waiting=len(restored.left) - gone)


def _copied(
    node: Node, merged: MergedPack, rows: Sequence[InstanceRow]
) -> tuple[list[Place], list[InstanceRow]]:
    """Copy whole records; give where they stand, and the rows of those that are not."""
    places, spoiled = list[Place](), list[InstanceRow]()
    for row in rows:
        try:
            record = next(node.packs.marked(row.pack, row.offset), None)
            if record is None or record.location != row.location or record.digest != row.digest:
                raise Damaged(f"Copying a record of pack {row.pack} was refused: it is another one.")
            offset = merged.copy(record)
        except GridError as error:
            if not is_broken(error):
                raise
            spoiled.append(row)
        else:
            places.append((row, offset, offset + row.data_offset - row.offset))
    return places, spoiled


def _restored(node: Node, merged: MergedPack, rows: Sequence[InstanceRow]) -> _Restored:
    """Append originals from the newest packages that have them and are whole."""
    places, left, away = list[Place](), list[InstanceRow](), False
    for key in sorted({(row.origin, row.study_uid) for row in rows}):
        wanted = [row for row in rows if (row.origin, row.study_uid) == key]
        for archived in _generations(node, StudyKey(origin=key[0], study_uid=key[1])):
            done: list[Place] = []
            try:
                done.extend(_from_package(node, merged, archived, wanted))
            except GridError as error:
                away = away or not isinstance(error, Damaged)
            places += done
            back = {(row.sop_uid, row.digest) for row, _, _ in done}
            wanted = [row for row in wanted if (row.sop_uid, row.digest) not in back]
            if not wanted:
                break
        left += wanted
    return _Restored(places=places, left=left, away=away)


def _generations(node: Node, key: StudyKey) -> list[ArchivedRow]:
    return read_as(
        node.database,
        ArchivedRow,
        "SELECT * FROM archived WHERE origin = ? AND study_uid = ? ORDER BY generation DESC",
        (key.origin, key.study_uid),
    )


def _from_package(
    node: Node, merged: MergedPack, archived: ArchivedRow, rows: Sequence[InstanceRow]
) -> Iterator[Place]:
    with (
        node.archive.work_folder(node.clock) as folder,
        local_package(node, archived.digest, folder) as (package, path),
    ):
        numbers = {(each.sop_uid, each.digest): n for n, _, each in package.manifest.numbered()}
        meant = [
            (number, row) for row in rows if (number := numbers.get((row.sop_uid, row.digest))) is not None
        ]
        yield from restore_into(merged, package, path, node.archive.recallers, meant)


def _statements(node: Node, pack: str, restored: _Restored) -> list[Statement]:
    statements = [
        *healed(node, (row for row, _, _ in restored.places)),
        Statement("UPDATE scrubbed SET state = ? WHERE pack = ? AND state = ?", (GONE_ASIDE, pack, BROKEN)),
    ]
    if restored.left and restored.away:
        statements.append(later(f"pack/{pack}", node.now() + AGAIN))
    elif restored.left:
        statements += lost(node, pack, restored.left)
    return statements


def _moves(node: Node, merged: MergedPack, places: Sequence[Place]) -> list[Statement]:
    return [
        advance(index_cursor(merged.name), before=0, after=merged.size),
        Statement(
            "INSERT INTO scrubbed (pack, bytes, verified_at) VALUES (?, ?, ?)",
            (merged.name, merged.size, node.now()),
        ),
        *(moved(row, merged.name, offset, data_offset) for row, offset, data_offset in places),
    ]


def try_heal(node: Node, pack: str) -> Healed:
    """Heal a pack as `heal_pack` does; what stands in the way now is tried again later."""
    try:
        return heal_pack(node, pack)
    except Conflict:
        return Healed(waiting=1)
    except GridError:
        node.database.write([later(f"pack/{pack}", node.now() + AGAIN)], node.new_id())
        return Healed(waiting=1)
