"""Restore a backup into an empty folder, whole or not at all.

Everything is written beside the folder, under a name that nobody starts, held against its digests and synced; then the
node begins a new incarnation there, and only then the folder gets its name.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from node.durable import sync_directory, sync_file
from node.errors import Conflict, Damaged, InvalidRequest, Unavailable
from node.failpoints import planted
from node.keys.backup_key import OpenBackupKey
from node.keys.private_files import make_private_folder
from node.keys.sealed import SealedReader
from node.names import Digest
from ops.backup.bundles import Progress
from ops.backup.known import MEMORY, Known
from ops.backup.making import DATABASE
from ops.backup.manifest import FileEntry, Manifest
from ops.backup.opened import OpenedBackup, open_backup
from ops.backup.place import Place
from ops.backup.reviving import revive

FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A node as it was, in a life of its own."""

    name: Digest
    manifest: Manifest
    state: Path
    incarnation: str
    packages: int
    """That lie in archive stores, and are looked for there."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Where a piece goes: which file, and where in it."""

    path: str
    at: int


def restore(
    place: Place,
    state: Path,
    *,
    key: OpenBackupKey,
    name: str = "",
    progress: Progress = lambda what, count: None,
) -> Restored:
    """Restore the newest backup of a place, or the one whose name begins so.

    Raises
    ------
    Conflict
        ``state`` holds something already.
    Damaged
        A byte of the backup was altered, or something of it is gone; there is no ``state`` then.
    Unavailable
        The place is away, or the disk is full; there is no ``state`` then.
    """
    signed = place.backup(name)
    _check_empty(state)
    with _beside(state) as part:
        opened = open_backup(place, signed, key=key, work=part)
        _check_room(part, signed.manifest)
        _write_files(place, opened, part, key=key, progress=progress)
        _check_database(part, signed.manifest)
        incarnation = revive(part, opened.contents)
        _remember(place, opened, part, key_id=key.known.key_id)
        _sync(part)
        _name(part, state)
    return Restored(
        name=signed.name,
        manifest=signed.manifest,
        state=state,
        incarnation=incarnation,
        packages=len({one.digest for one in opened.contents.packages}),
    )


def _write_files(
    place: Place, opened: OpenedBackup, part: Path, *, key: OpenBackupKey, progress: Progress
) -> None:
    """Bring each object once, and write its pieces to all files that they belong to."""
    for entry in opened.contents.files:
        _begin_file(part, entry)
    runs = _runs(opened)
    sealed = part / "object.part"
    for name, object_ in opened.objects.items():
        if name == opened.signed.manifest.contents:
            continue
        place.fetch(name, sealed)
        with SealedReader(sealed, key.unwrap(object_.key), name=f"{name[:16]} of a backup") as reader:
            for digest in sorted(runs.get(name, {}), key=lambda one: opened.contents.pieces[one].offset):
                spot = opened.contents.pieces[digest]
                content = reader.read_at(spot.offset, spot.bytes)
                if hashlib.sha256(content).hexdigest() != digest:
                    raise Damaged(
                        f"Restoring failed: a piece in object {name[:16]} is not what was copied. Take an earlier backup."
                    )
                for run in runs[name][digest]:
                    _write(part / run.path, content, run.at)
        sealed.unlink()
        progress("restored", object_.bytes)


def _runs(opened: OpenedBackup) -> dict[Digest, dict[Digest, list[_Run]]]:
    """Give where each piece of each object goes.

    Raises
    ------
    Damaged
        The list of files does not agree with itself.
    """
    runs: dict[Digest, dict[Digest, list[_Run]]] = {}
    for entry in opened.contents.files:
        at = 0
        for piece in entry.pieces:
            spot = opened.contents.pieces.get(piece.digest)
            if spot is None or spot.bytes != piece.bytes or spot.object not in opened.objects:
                raise Damaged(f"Restoring failed: nothing says where a piece of {entry.path} lies.")
            runs.setdefault(spot.object, {}).setdefault(piece.digest, []).append(_Run(entry.path, at))
            at += piece.bytes
        if at != entry.bytes:
            raise Damaged(f"Restoring failed: the pieces of {entry.path} are not as long as it.")
    return runs


def _begin_file(part: Path, entry: FileEntry) -> None:
    path = PurePosixPath(entry.path)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise Damaged(f"Restoring failed: {entry.path!r} does not lie in a state folder.")
    target = part / path
    with _on_disk():
        for folder in reversed(target.relative_to(part).parents):
            (part / folder).mkdir(mode=FOLDER_MODE, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, entry.mode & 0o700)
        os.close(descriptor)


def _write(path: Path, content: bytes, at: int) -> None:
    with _on_disk():
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            view = memoryview(content)
            while view:
                taken = os.pwrite(descriptor, view, at)
                at, view = at + taken, view[taken:]
        finally:
            os.close(descriptor)


def _remember(place: Place, opened: OpenedBackup, part: Path, *, key_id: str) -> None:
    """Let the restored node know what the place has, so that its next backup copies only what is new."""
    folder = part / MEMORY
    make_private_folder(folder)
    known = Known(folder, place.label, key_id)
    files = opened.contents.files
    known.adopt(opened.objects, opened.contents.pieces, files=files)
    known.finish(opened.signed.name, opened.signed.manifest.at, files=files)


def _check_database(part: Path, manifest: Manifest) -> None:
    with (part / DATABASE).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != manifest.database:
        raise Damaged(
            "Restoring failed: the database is not the one that the manifest names. Take an earlier backup."
        )


def _check_empty(state: Path) -> None:
    if state.is_symlink() or (state.exists() and (not state.is_dir() or any(state.iterdir()))):
        raise Conflict(f"Restoring was refused: {state} is not empty. Give a folder that is not there yet.")
    if not state.parent.is_dir():
        raise InvalidRequest(
            f"Restoring was refused: {state.parent} is no folder. Make it, or mount its disk."
        )


def _check_room(part: Path, manifest: Manifest) -> None:
    found = os.statvfs(part)
    free = found.f_bavail * found.f_frsize
    if free < manifest.bytes:
        raise Unavailable(
            f"Restoring failed: {manifest.bytes >> 20} MB are needed, {free >> 20} MB are free. Take a larger disk."
        )


def _sync(part: Path) -> None:
    """Sync everything, so that the name speaks of what is on the disk."""
    if planted("restore-unsynced"):
        return
    with _on_disk():
        for folder, _, names in os.walk(part):
            for name in names:
                sync_file(Path(folder) / name)
            sync_directory(Path(folder))


def _name(part: Path, state: Path) -> None:
    with _on_disk():
        part.rename(state)
        sync_directory(state.parent)


@contextmanager
def _beside(state: Path) -> Iterator[Path]:
    """Give a new folder beside the one that is to be, and leave nothing of it unless it was named."""
    part = state.with_name(f".{state.name}.restoring")
    with _on_disk():
        descriptor = os.open(state.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise Conflict(
                f"Restoring was refused: another restore runs in {state.parent}. Wait until it ended."
            ) from error
    try:
        shutil.rmtree(part, ignore_errors=True)  # one that was killed left it
        with _on_disk():
            part.mkdir(mode=FOLDER_MODE)
        yield part
    except OSError as error:
        raise Unavailable(
            f"Restoring failed ({error.strerror}): see to the disk, then restore again."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"Restoring failed ({error.strerror}): see to the disk, then restore again."
        ) from error
