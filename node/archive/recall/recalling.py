"""A study brought back from the archive: its originals in a new pack, and rows that mean it.

Whoever reads a row that lies in the archive alone brings the study, and waits (`awaited`). One study is brought once,
whoever asks meanwhile: the others wait for the same, and find it done. It comes in portions, what is looked at first
(`portions`); each is online as soon as it is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass

from node.archive.archived import PART, WHOLE, ArchivedRow, is_archived, peek_archived_pack
from node.archive.copies import spoiled_copies
from node.archive.package.restoring import restore_into
from node.archive.recall.asking import send_next
from node.archive.recall.key_images import first_series, key_images
from node.archive.recall.near import Near, lies_near, near_package
from node.archive.recall.portions import portions
from node.archive.recall.tickets import begin_ticket, end_ticket
from node.catalogue.folding import rewritten
from node.catalogue.repointing import move_rows
from node.catalogue.search import InstanceRow, instances_of
from node.clock import SECOND, Micros
from node.database.port import Statement, text
from node.errors import Conflict, Damaged, GridError, Waited
from node.events import StudyRecalled
from node.failpoints import failpoint
from node.journal.cursors import advance
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from node.store.merging import MergedPack
from node.store.packs import index_cursor

TRIES = 3
"""How often a study may grow while it is brought."""


def recall_study(node: Node, *, origin: str, study_uid: str, ticket: str, series_uid: str = "") -> None:
    """Bring a study that somebody asked for, or a series of it, by her ticket; then hand on the next. A job."""
    key = StudyKey(origin=NodeId(origin), study_uid=StudyUID(study_uid))
    try:
        bring(node, key, who="", why="", ticket=ticket, series_uid=series_uid)
        end_ticket(node, ticket, state="done", words="")  # it may have been here already
    finally:
        send_next(node)


def bring(
    node: Node,
    key: StudyKey,
    *,
    who: str,
    why: str,
    ticket: str = "",
    series_uid: str = "",
    until: Micros | None = None,
) -> None:
    """Bring what lies in the archive alone of a study, or of a series of it, online; blocks until it is there.

    Parameters
    ----------
    who
        A person, a program or an AE title, for the list of recalls; empty for the node itself.
    ticket
        Of a recall that was asked for; without one another is made.
    until
        When whoever waits can wait no longer; what came until then stays.

    Raises
    ------
    Waited
        It is not there by then.
    Unavailable
        No store has it now, or the disk has no room.
    Damaged
        No copy comes back as it was archived.
    """
    with node.archive.alone(_lock_of(key), wait_s=_left_s(node, until)), _turn(node, until):
        away = _away(node, key, series_uid=series_uid)
        for pack in sorted({row.pack for row in away}):
            meant = [row for row in away if row.pack == pack]
            size = sum(row.data_bytes for row in meant)
            opened = begin_ticket(
                node,
                key,
                ticket=ticket,
                who=who,
                why=why,
                instances=len(meant),
                size=size,
                series_uid=series_uid,
            )
            one = _Recall(key=key, pack=pack, series_uid=series_uid, ticket=opened, until=until)
            try:
                _bring_unless_changed(node, one)
            except GridError as error:
                end_ticket(node, opened, state="failed", words=error.message)
                raise
            failpoint("recalled")
            end_ticket(node, opened, state="done", words="")


def close_stale(node: Node) -> None:
    """Say of tickets whose recall was ended with its process that they failed; call when this process starts."""
    for row in node.database.read("SELECT id, origin, study_uid FROM recall WHERE state = 'running'"):
        key = StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
        if node.archive.is_free(_lock_of(key)):
            words = "Recalling a study was ended on its way. Ask again."
            end_ticket(node, text(row, "id"), state="failed", words=words)


def _left_s(node: Node, until: Micros | None) -> float | None:
    return None if until is None else max(0, until - node.now()) / SECOND


def _turn(node: Node, until: Micros | None) -> AbstractContextManager[None]:
    """Wait for a turn among those who read; jobs are few anyway."""
    left_s = _left_s(node, until)
    return nullcontext() if left_s is None else node.archive.turn(wait_s=left_s)


def _lock_of(key: StudyKey) -> str:
    return f"recall-{key.origin}-{key.study_uid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recall:
    """What is brought of a study, for which ticket, and until when."""

    key: StudyKey
    pack: str
    series_uid: str
    ticket: str
    until: Micros | None


def _away(node: Node, key: StudyKey, *, series_uid: str, pack: str = "") -> list[InstanceRow]:
    """Give the instances that lie in the archive alone, in one package when it is named."""
    rows = instances_of(node.database, key, series_uid or None, chosen_only=False)
    return [row for row in rows if is_archived(row.pack) and row.pack in (pack or row.pack,)]


def _bring_unless_changed(node: Node, one: _Recall) -> None:
    """Bring them; a study that grew meanwhile is brought once more, since whoever reads it waits."""
    for _ in range(TRIES - 1):
        with suppress(Conflict):
            _bring(node, one)
            return
    _bring(node, one)


def _bring(node: Node, one: _Recall) -> None:
    """Bring them portion by portion, each online as soon as it is there."""
    archived = peek_archived_pack(node.database, one.pack)
    if archived is None:
        raise Damaged(f"Recalling a study failed: no package is known as {one.pack}. Run 'meridian verify'.")
    try:
        _bring_portions(node, one, archived)
    except Damaged:
        if lies_near(node, archived.digest) and not spoiled_copies(node, archived.digest):
            raise
        # From the next copy; of what does not lie here, ranges say less of a copy than all of it.
        _bring_portions(node, one, archived, whole=True)


def _bring_portions(node: Node, one: _Recall, archived: ArchivedRow, *, whole: bool = False) -> None:
    rows = _away(node, one.key, series_uid=one.series_uid, pack=one.pack)
    node.packs.check_room(sum(row.data_bytes for row in rows))
    parts, done = _portions(node, one, rows), 0
    if not parts:
        return
    with (
        node.archive.work_folder(node.clock) as folder,
        near_package(node, archived, folder, first=parts[0], whole=whole) as near,
    ):
        for portion in parts:
            merged = MergedPack(node.packs, node.clock)
            places = _filled(node, one, merged, near, rows=portion, done=done)
            try:
                statements = _moved(node, one.key, archived, merged, places)
            except BaseException:
                merged.drop()
                raise
            move_rows(node, merged, statements)
            done += len(portion)


def _portions(node: Node, one: _Recall, rows: Sequence[InstanceRow]) -> list[list[InstanceRow]]:
    """Give what comes first, and next; a series comes in one go."""
    if one.series_uid:
        return [list(rows)] if rows else []
    return portions(rows, keys=key_images(node, one.key), first_series=first_series(node.database, one.key))


def _filled(
    node: Node,
    one: _Recall,
    merged: MergedPack,
    near: Near,
    *,
    rows: Sequence[InstanceRow],
    done: int,
) -> list[tuple[InstanceRow, int, int]]:
    """Write originals into a new pack in the order of rows; give where each stands."""
    places, told = list[tuple[InstanceRow, int, int]](), node.now()
    meant = [(row.offset, row) for row in rows]
    try:
        near.plan(row.offset for row in rows)
        # Compared when the pack is read back from its disk: once is enough while somebody waits.
        for place in restore_into(
            merged, near.package, near.path, node.archive.recallers, meant, compared=False, fetch=near.fetch
        ):
            places.append(place)
            if one.until is not None and node.now() > one.until:
                raise Waited("Reading the study was put off: bringing it back takes longer. Try again later.")
            if node.now() - told >= SECOND:
                told = node.now()
                come = Statement("UPDATE recall SET done = ? WHERE id = ?", (done + len(places), one.ticket))
                node.write([come])
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
        *rewritten(key, _row_statements(merged.name, archived.pack, places)),
        _online(archived),
    ]


def _online(archived: ArchivedRow) -> Statement:
    """Say how much is online once the rows before it are written: all, or a part."""
    return Statement(
        "UPDATE archived SET online = CASE WHEN EXISTS (SELECT 1 FROM archived_series AS away WHERE away.pack = archived.pack)"
        f" THEN {PART} ELSE {WHOLE} END WHERE origin = ? AND study_uid = ? AND generation = ?",
        (archived.origin, archived.study_uid, archived.generation),
    )


def _row_statements(
    name: str, pack: str, places: Sequence[tuple[InstanceRow, int, int]]
) -> Iterator[Statement]:
    for row, offset, data_offset in places:
        yield Statement(
            "UPDATE online_instance SET pack = ?, offset = ?, data_offset = ? WHERE origin = ? AND study_uid = ?"
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
