"""A study archived: its package made, put into each store, read back there, and only then written down.

A job may be run twice, by two workers at once, or again after it was killed: until its batch is written nothing
means what it made, and what means nothing is removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from node.archive.archived import (
    ArchivedRow,
    CopyRow,
    contents_of,
    copies_of,
    is_archived,
    peek_archived,
    verified_stores,
)
from node.archive.copies import copy_row, mend_copies, put_copy, remove_copy
from node.archive.package.requests import Profile
from node.archive.package.writing import Made, Original, Study, make_package
from node.archive.recall.recalling import bring
from node.archive.scrub.damage import look_at
from node.catalogue.search import InstanceRow, get_study, instances_of
from node.database.port import Statement
from node.errors import Conflict, Damaged, GridError, InvalidRequest, Unavailable
from node.events import StudyArchived
from node.failpoints import failpoint
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from node.store.directory import ARCHIVED, is_damaged
from node.store.facts import Entry

TRIES = 3
"""How often packs may be merged while they are read."""


def archive_study(node: Node, *, origin: str, study_uid: str, profile: str = "small") -> None:
    """Archive a complete study unless its package has all that is here; a job.

    Raises
    ------
    Conflict
        The study changed meanwhile; what was made is gone, and it is looked at again.
    Unavailable
        A store, or the disk, does not take it now.
    Damaged
        An instance is not what was received.
    """
    key = StudyKey(origin=NodeId(origin), study_uid=StudyUID(study_uid))
    with node.archive.alone(f"archive-{origin}-{study_uid}"):
        _archive(node, key, Profile(profile))


def is_covered(node: Node, archived: ArchivedRow | None, rows: Sequence[InstanceRow]) -> bool:
    """Say whether a package has all that is here, in as many stores as are wanted."""
    if archived is None or archived.contents != contents_of(rows):
        return False
    return len(verified_stores(copies_of(node.database, archived.digest))) >= node.archive.copies


def _archive(node: Node, key: StudyKey, profile: Profile) -> None:
    study = get_study(node.database, key)
    version = node.journal.version(key.subject)
    rows = instances_of(node.database, key, chosen_only=False)
    before = peek_archived(node.database, key)
    if study.state != "complete" or not rows or is_covered(node, before, rows):
        return
    if before is not None and before.contents == contents_of(rows):
        with suppress(Damaged):
            mend_copies(node, before.digest)
            return
    if any(is_archived(row.pack) for row in rows):
        bring(node, key, who="", why="archive")
        raise Conflict(
            "Archiving a study was put off: it came back from the archive first. It is archived again."
        )
    if any(is_damaged(row.pack) for row in rows):
        raise Damaged(
            "Archiving a study was refused: records of it are damaged, and no whole copy of them is here. Have it sent again."
        )
    generation = before.generation + 1 if before is not None else 1
    with node.archive.work_folder(node.clock) as folder:
        try:
            made = _made(node, key, generation, folder, profile)
        except (Damaged, Unavailable):
            for pack in sorted({row.pack for row in rows}):
                with suppress(GridError):
                    look_at(node, pack)  # what cannot be read may be damaged: then it is served no more
            raise
        copies = _put(node, made)
    _write_down(node, key, made, copies, before=before, version=version, cause=study.cause, rows=rows)


def _made(node: Node, key: StudyKey, generation: int, folder: Path, profile: Profile) -> Made:
    """Make the package; packs that were merged meanwhile are looked for once more."""
    for _ in range(TRIES):
        rows = instances_of(node.database, key, chosen_only=False)
        node.packs.check_room(sum(row.data_bytes for row in rows))
        with suppress(FileNotFoundError):
            study = Study(
                origin=key.origin,
                study_uid=key.study_uid,
                generation=generation,
                originals=[_original(node, row) for row in rows],
            )
            return make_package(
                study, folder, node.archive.workers, profile=profile, now=node.now(), made_by=node.id
            )
    raise Unavailable("Archiving a study was put off: its packs are being merged. It is tried again.")


def _original(node: Node, row: InstanceRow) -> Original:
    record = next(iter(node.packs.marked(row.pack, row.offset)), None)
    if record is None or record.digest != row.digest:
        raise InvalidRequest(
            f"Archiving a study was refused: the record at byte {row.offset} of pack {row.pack} is not the one that the"
            " catalogue means. Run 'meridian verify'."
        )
    entry = Entry(facts=record.facts, sop_class=record.sop_class, sop_uid=record.sop_uid)
    return Original(
        pack=node.packs.path(row.pack),
        offset=row.data_offset - row.meta_bytes,
        meta_bytes=row.meta_bytes,
        data_bytes=row.data_bytes,
        digest=row.digest,
        transfer_syntax=row.transfer_syntax,
        series_uid=row.series_uid,
        sop_class=row.sop_class,
        sop_uid=row.sop_uid,
        number=row.number,
        state=row.state,
        arrival=entry.encode(),
    )


def _put(node: Node, made: Made) -> list[CopyRow]:
    """Put a package into each store, and read it back; fewer copies than wanted make none."""
    copies: list[CopyRow] = []
    errors: list[GridError] = []
    for store in node.archive.stores:
        try:
            copies.append(put_copy(node, store, digest=made.digest, file=made.path))
        except GridError as error:
            errors.append(error)
    if len(copies) < max(node.archive.copies, 1):
        for copy in copies:
            _let_go(node, copy)
        said = errors[0].message if errors else "no store is configured. Add [[archive.store]]."
        raise Unavailable(
            f"Archiving a study was put off: {len(copies)} of {node.archive.copies} copies could be made. {said}"
        )
    return copies


def _write_down(
    node: Node,
    key: StudyKey,
    made: Made,
    copies: Sequence[CopyRow],
    *,
    before: ArchivedRow | None,
    version: int,
    cause: Cause,
    rows: Sequence[InstanceRow],
) -> None:
    event = StudyArchived(
        generation=made.manifest.generation,
        digest=made.digest,
        instances=len(rows),
        bytes=made.size_bytes,
        stores=tuple(copy.store for copy in copies),
    )
    archived = Statement(
        "INSERT INTO archived (origin, study_uid, generation, digest, pack, contents, instances, bytes, online_bytes,"
        " online, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, (SELECT at FROM journal WHERE subject = ? AND version = ?))",
        (
            key.origin,
            key.study_uid,
            made.manifest.generation,
            made.digest,
            f"{ARCHIVED}-{node.new_id()}",
            contents_of(rows),
            len(rows),
            made.size_bytes,
            sum(row.data_bytes for row in rows),
            key.subject,
            version + 1,
        ),
    )
    failpoint("archive-stored")
    try:
        node.write(
            [
                *node.journal.append(key.subject, [event], after=version, cause=cause),
                archived,
                *(copy_row(copy) for copy in copies),
            ]
        )
    except Conflict:
        for copy in copies:
            _let_go(node, copy)
        raise
    failpoint("archive-written")


def _let_go(node: Node, copy: CopyRow) -> None:
    """Remove a copy that nothing means; one that cannot be removed now is found as an orphan."""
    if not node.database.read("SELECT 1 AS meant FROM archived WHERE digest = ? LIMIT 1", (copy.digest,)):
        with suppress(GridError):
            remove_copy(node, copy)
