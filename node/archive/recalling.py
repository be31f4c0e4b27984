"""A study brought back from the archive: its originals in a new pack, and rows that mean it.

Whoever reads a row that lies in the archive alone brings the study, and waits. One study is brought once,
whoever asks meanwhile: the others wait for the same, and find it done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from node.archive.archived import ArchivedRow, is_archived, peek_archived_pack
from node.archive.copies import local_package
from node.archive.package import Package
from node.archive.restoring import restore
from node.catalogue.repointing import move_rows
from node.catalogue.search import InstanceRow, instances_of
from node.clock import SECOND
from node.database.port import Statement, text
from node.errors import Conflict, Damaged, GridError
from node.events import StudyRecalled
from node.failpoints import failpoint
from node.journal.cursors import advance
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from node.store.merging import MergedPack
from node.store.packs import index_cursor

TRIES = 3
"""How often a study may grow while it is brought."""


def recall_study(node: Node, *, origin: str, study_uid: str, ticket: str) -> None:
    """Bring a study that somebody asked for, by her ticket; a job."""
    key = StudyKey(origin=NodeId(origin), study_uid=StudyUID(study_uid))
    bring(node, key, who="", why="", ticket=ticket)
    _end(node, ticket, state="done", words="")  # it may have been here already


def bring(node: Node, key: StudyKey, *, who: str, why: str, ticket: str = "") -> None:
    """Bring all of a study online that lies in the archive alone; blocks until it is there.

    Parameters
    ----------
    who
        A person, a program or an AE title, for the list of recalls; empty for the node itself.
    ticket
        Of a recall that was asked for; without one another is made.

    Raises
    ------
    Unavailable
        No store has it now, or the disk has no room.
    Damaged
        No copy comes back as it was archived.
    """
    with node.archive.alone(_lock_of(key)):
        rows = [row for row in instances_of(node.database, key, chosen_only=False) if is_archived(row.pack)]
        for pack in sorted({row.pack for row in rows}):
            meant = [row for row in rows if row.pack == pack]
            opened = _begin(node, key, meant, who=who, why=why, ticket=ticket)
            try:
                _bring_unless_changed(node, key, pack, meant, ticket=opened)
            except GridError as error:
                _end(node, opened, state="failed", words=error.message)
                raise
            failpoint("recalled")
            _end(node, opened, state="done", words="")


def close_stale(node: Node) -> None:
    """Say of tickets whose recall was ended with its process that they failed; call when this process starts."""
    for row in node.database.read("SELECT id, origin, study_uid FROM recall WHERE state = 'running'"):
        key = StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
        if node.archive.is_free(_lock_of(key)):
            _end(
                node,
                text(row, "id"),
                state="failed",
                words="Recalling a study was ended on its way. Ask again.",
            )


def _lock_of(key: StudyKey) -> str:
    return f"recall-{key.origin}-{key.study_uid}"


def _bring_unless_changed(
    node: Node, key: StudyKey, pack: str, rows: Sequence[InstanceRow], *, ticket: str
) -> None:
    """Bring them; a study that grew meanwhile is brought once more, since whoever reads it waits."""
    for _ in range(TRIES - 1):
        with suppress(Conflict):
            _bring(node, key, pack, rows, ticket=ticket)
            return
    _bring(node, key, pack, rows, ticket=ticket)


def _bring(node: Node, key: StudyKey, pack: str, rows: Sequence[InstanceRow], *, ticket: str) -> None:
    archived = peek_archived_pack(node.database, pack)
    if archived is None:
        raise Damaged(f"Recalling a study failed: no package is known as {pack}. Run 'meridian verify'.")
    node.packs.check_room(sum(row.data_bytes for row in rows))
    with (
        node.archive.work_folder(node.clock) as folder,
        local_package(node, archived.digest, folder) as (package, path),
    ):
        merged = MergedPack(node.packs, node.clock)
        places = _filled(node, merged, package, path=path, rows=rows, ticket=ticket)
    try:
        statements = _moved(node, key, archived, merged, places)
    except BaseException:
        merged.drop()
        raise
    move_rows(node, merged, statements)


def _filled(
    node: Node, merged: MergedPack, package: Package, *, path: Path, rows: Sequence[InstanceRow], ticket: str
) -> list[tuple[InstanceRow, int, int]]:
    """Write originals into a new pack in the order of rows; give where each stands."""
    places = []
    arrivals, told = package.arrivals(), node.now()
    try:
        restored = restore(package, path, path.parent, node.archive.recallers, [row.offset for row in rows])
        for row, one in zip(rows, restored, strict=True):
            if (one.instance.sop_uid, one.instance.digest) != (row.sop_uid, row.digest):
                raise Damaged(
                    "Recalling a study failed: its package holds another instance. Run 'meridian verify'."
                )
            offset, data_offset = merged.restore(
                arrivals[row.offset - 1], file=one.file, meta_bytes=row.meta_bytes, digest=row.digest
            )
            places.append((row, offset, data_offset))
            if node.now() - told >= SECOND:
                told = node.now()
                node.write([Statement("UPDATE recall SET done = ? WHERE id = ?", (len(places), ticket))])
        merged.finish()
    except BaseException:
        merged.drop()
        raise
    return places


def _moved(
    node: Node,
    key: StudyKey,
    archived: ArchivedRow,
    merged: MergedPack,
    places: Sequence[tuple[InstanceRow, int, int]],
) -> list[Statement]:
    event = StudyRecalled(generation=archived.generation, instances=len(places))
    version = node.journal.version(key.subject)
    cause = Cause(node.new_id())
    return [
        *node.journal.append(key.subject, [event], after=version, cause=cause),
        advance(index_cursor(merged.name), before=0, after=merged.size),
        Statement(
            "UPDATE archived SET online = 1 WHERE origin = ? AND study_uid = ? AND generation = ?",
            (archived.origin, archived.study_uid, archived.generation),
        ),
        *_row_statements(merged.name, archived.pack, places),
    ]


def _row_statements(
    name: str, pack: str, places: Sequence[tuple[InstanceRow, int, int]]
) -> Iterator[Statement]:
    for row, offset, data_offset in places:
        yield Statement(
            "UPDATE instance SET pack = ?, offset = ?, data_offset = ? WHERE origin = ? AND study_uid = ?"
            " AND sop_uid = ? AND digest = ? AND pack = ? AND offset = ?",
            (
                name,
                offset,
                data_offset,
                row.origin,
                row.study_uid,
                row.sop_uid,
                row.digest,
                pack,
                row.offset,
            ),
            expect=1,
            refusal="Recalling a study was refused: an instance was moved meanwhile. It is tried again.",
        )


def _begin(node: Node, key: StudyKey, rows: Sequence[InstanceRow], *, who: str, why: str, ticket: str) -> str:
    """Open a ticket, or go on with one that waits; give its id."""
    opened, now = ticket or node.new_id(), node.now()
    size = sum(row.data_bytes for row in rows)
    node.write(
        [
            Statement(
                "INSERT INTO recall (id, origin, study_uid, who, why, priority, state, instances, bytes, at, began_at)"
                " VALUES (?, ?, ?, ?, ?, 0, 'running', ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = 'running',"
                " instances = excluded.instances, bytes = excluded.bytes, began_at = excluded.began_at",
                (opened, key.origin, key.study_uid, who, why, len(rows), size, now, now),
            )
        ]
    )
    return opened


def _end(node: Node, ticket: str, *, state: str, words: str) -> None:
    node.write(
        [
            Statement(
                "UPDATE recall SET state = ?, words = ?, ended_at = ?, done = CASE ? WHEN 'done' THEN instances ELSE done END"
                " WHERE id = ?",
                (state, words, node.now(), state, ticket),
            )
        ]
    )
