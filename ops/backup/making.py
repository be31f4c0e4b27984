"""Make a backup of a node while it runs.

The order is what makes it whole: packs are pinned, then a snapshot of the database says what there is, then packs are
copied to their marks. So each row's bytes are in the backup, and so is whatever was answered before it began, registered
or not. A manifest is put when the place has all that it names: until then the backup before it is the newest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from node.archive.package.source import FileSource
from node.clock import Micros
from node.database.port import Database
from node.database.snapshot import snapshot_sqlite
from node.database.sqlite_reading import SqliteReader
from node.errors import Conflict, GridError, InvalidRequest, Unavailable
from node.failpoints import failpoint, planted
from node.journal.chain import newest_block
from node.keys.backup_key import read_backup_key
from node.keys.private_files import make_private_folder
from node.names import Digest
from node.node import Node
from node.watch.backups import BackupRow, remember_backup
from ops.backup.bundles import Bundles, Progress
from ops.backup.files import copy_file, copy_files, embedded_packages, packages_elsewhere
from ops.backup.known import Known, alone
from ops.backup.manifest import (
    FORMAT,
    Contents,
    FileEntry,
    Manifest,
    PackageEntry,
    Table,
    encoded,
    sign_manifest,
)
from ops.backup.packs import copy_packs, wanted_packs
from ops.backup.place import Place
from ops.compose import database_path

DATABASE = "meridian.db"
DATABASE_PIECE_BYTES = 128 << 10
"""Rows that change lie far apart: small pieces, so that little of what did not change is copied with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup that counts."""

    name: Digest
    manifest: Manifest
    put_bytes: int
    """Content that the place did not have before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    files: tuple[FileEntry, ...]
    packages: tuple[PackageEntry, ...]
    database: Digest


def check_apart(state: Path, label: str) -> None:
    """Refuse a place that lies in the state folder: it would go with it, and each backup would hold those before.

    Parameters
    ----------
    label
        Of the place, as `label_of` gives it.

    Raises
    ------
    InvalidRequest
        It does.
    """
    if Path(label).is_relative_to(state.resolve()) and not planted("backup-inside"):
        raise InvalidRequest(
            f"Making a backup was refused: {label} lies in the node's own state folder, and would be lost with it."
            " Name a folder on another disk."
        )


def back_up(node: Node, place: Place, *, progress: Progress = lambda what, count: None) -> Made:
    """Put a backup of a node's present state to a place.

    Raises
    ------
    InvalidRequest
        As `check_apart`.
    NotFound
        The node has no backup key yet.
    Conflict
        Another backup runs, or the place has backups of another node.
    Unavailable
        The place, or the node's disk, is full, gone or failing; earlier backups are as they were, and the next one goes
        on from what the place has.
    """
    check_apart(node.state, place.label)
    key = read_backup_key(node.state / "keys")
    with alone(node.state) as folder, _work_in(folder) as work:
        known = Known(folder, place.label, key.key_id)
        parent, parent_at = _parent(node, place, known)
        known.keep_only(place.objects.names())
        bundles = Bundles(place, key, known=known, work=work, progress=progress)
        try:
            at = max(node.now(), parent_at + 1)  # the newest is the newest, also when the clock went back
            taken = _take(node, bundles, known=known, work=work, progress=progress)
            return _conclude(
                node, place, taken, at=at, parent=parent, bundles=bundles, known=known, work=work
            )
        except OSError as error:
            raise Unavailable(
                f"Making a backup failed ({error.strerror}): see to the node's disk, then try again."
            ) from error
        finally:
            bundles.abandon()


def _take(node: Node, bundles: Bundles, *, known: Known, work: Path, progress: Progress) -> _Taken:
    """Take in everything, rows first."""
    files: list[FileEntry] = []
    with node.packs.directory.pinned():
        if planted("backup-rows-last"):
            files += copy_packs(node, node.packs.names(), bundles=bundles, known=known)
            progress("packs", 0)
        snapshot = work / DATABASE
        snapshot_sqlite(database_path(node.state), snapshot)
        progress("rows", 0)
        with closing(SqliteReader(snapshot)) as reader:
            rows: Database = reader
            embedded = embedded_packages(node, rows)
            packages = tuple(packages_elsewhere(rows))
            packs, block = wanted_packs(node, rows), newest_block(rows)
        if not planted("backup-rows-last"):
            files += copy_packs(node, packs, bundles=bundles, known=known)
            progress("packs", 0)
    failpoint("backup-packs-taken")
    with FileSource(snapshot) as source:
        pieces = tuple(bundles.add_range(source, 0, source.size, piece_bytes=DATABASE_PIECE_BYTES))
        files.append(FileEntry(path=DATABASE, bytes=source.size, pieces=pieces))
    files += copy_files(
        node.state, newest_block=0 if block is None else block.n, bundles=bundles, known=known
    )
    found = (copy_file(node.state, path, bundles=bundles, known=known) for path in embedded)
    files += [entry for entry in found if entry is not None]
    with snapshot.open("rb") as file:
        digest = Digest(hashlib.file_digest(file, "sha256").hexdigest())
    return _Taken(files=tuple(files), packages=packages, database=digest)


def _conclude(
    node: Node,
    place: Place,
    taken: _Taken,
    *,
    at: Micros,
    parent: str,
    bundles: Bundles,
    known: Known,
    work: Path,
) -> Made:
    """Put what was gathered, the two lists, and then the manifest."""
    bundles.flush()
    spots = bundles.spots()
    needed = {piece.digest for entry in taken.files for piece in entry.pieces}
    kept = tuple(_without_stamp(entry) for entry in taken.files)
    contents = Contents(
        format=FORMAT,
        files=kept,
        pieces={digest: spots[digest] for digest in needed},
        packages=taken.packages,
    )
    contents_name = bundles.add_alone(encoded(contents))
    bundles.flush()
    held = bundles.objects()
    used = sorted({contents_name, *(spots[digest].object for digest in needed)})
    table = encoded(Table(format=FORMAT, objects=tuple(held[name] for name in used)))
    manifest = Manifest(
        format=FORMAT,
        node=node.id,
        at=at,
        database=taken.database,
        table=_put_bytes(place, table, work),
        contents=contents_name,
        files=len(kept),
        bytes=sum(entry.bytes for entry in kept),
        parent=parent,
        verify_key=node.keys.verify_key,
    )
    failpoint("backup-unnamed")
    if planted("backup-remembered-early"):
        _remember(node, place, Made(name=Digest(""), manifest=manifest, put_bytes=bundles.put_bytes))
    name = place.put_manifest(sign_manifest(node.keys, manifest), work)
    failpoint("backup-named")
    bundles.send()
    known.finish(name, at, files=taken.files)
    made = Made(name=name, manifest=manifest, put_bytes=bundles.put_bytes)
    _remember(node, place, made)
    return made


def _remember(node: Node, place: Place, made: Made) -> None:
    """Write down for whoever looks after the node that a backup counts; where that fails, it counts all the same."""
    row = BackupRow(
        at=made.manifest.at,
        backup=made.name,
        place=place.label,
        files=made.manifest.files,
        bytes=made.manifest.bytes,
        new_bytes=made.put_bytes,
    )
    with suppress(GridError):
        node.write([remember_backup(row)])


def _put_bytes(place: Place, content: bytes, work: Path) -> Digest:
    name = Digest(hashlib.sha256(content).hexdigest())
    file = work / name
    file.write_bytes(content)
    place.put(name, file)
    file.unlink()
    return name


def _without_stamp(entry: FileEntry) -> FileEntry:
    """Give an entry as another machine sees it."""
    return FileEntry(
        path=entry.path,
        bytes=entry.bytes,
        pieces=entry.pieces,
        mode=entry.mode,
        marked=entry.marked,
        ended=entry.ended,
        tail=entry.tail,
    )


def _parent(node: Node, place: Place, known: Known) -> tuple[str, Micros]:
    """Give the backup before, and its time.

    Raises
    ------
    Conflict
        Another node's backups lie here: theirs and ours would be taken for each other.
    """
    first = next(iter(place.manifests.names()), None)
    if first is None:
        return "", 0
    before = place.backup(first if known.manifest else "")
    if before.manifest.node != node.id:
        raise Conflict(
            f"Making a backup was refused: {place.label} holds those of {before.manifest.node}. Choose another folder."
        )
    return (known.manifest, known.at) if known.manifest else (before.name, before.manifest.at)


@contextmanager
def _work_in(folder: Path) -> Iterator[Path]:
    """Give an empty folder for what is in the making; what a backup that was killed left there goes."""
    work = folder / "work"
    make_private_folder(work)
    for left in work.iterdir():
        left.unlink()
    try:
        yield work
    finally:
        for left in work.iterdir():
            left.unlink()
