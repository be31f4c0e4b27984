"""All other files of a state folder: texts, keys, configuration, documents, blocks, sealed files on their way.

A folder that a later capability adds is content until somebody says otherwise: what is left out is named here. A file
that the file system says is unchanged is not read again. One that vanishes meanwhile was erased or delivered.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from node.archive.package.source import FileSource
from node.archive.stores.port import MARKER
from node.database.port import Database, text
from node.errors import Damaged, NotFound
from node.journal.blocks import block_number
from node.node import Node
from ops.backup.bundles import Bundles
from ops.backup.known import MEMORY, Known
from ops.backup.manifest import FileEntry, PackageEntry
from ops.backup.packs import stamp_of
from ops.compose import EMBEDDED_STORE

_LEFT_OUT = {
    "packs": "copied by their marks",
    "archive": "only packages that rows mean, and only those of the embedded store",
    "blobs/arriving": "uploads that may be begun anew",
    "keys/packages": "wrapped keys of packages, which stand in the database",
    "landing/refusals": "the receiver writes there while it is copied; what it says is in the database, or said again",
    "run": "sockets",
    "log": "lines",
    MEMORY: "of this machine alone",
}
_DATABASE = "meridian.db"


def copy_files(state: Path, *, newest_block: int, bundles: Bundles, known: Known) -> Iterator[FileEntry]:
    """Take in every file but those that are copied otherwise, or made again.

    Parameters
    ----------
    newest_block
        Of the snapshot. A later one holds records that the snapshot's journal does not.
    """
    for path in _walk(state, ""):
        if path.startswith("blocks/") and (block_number(state / path) or 0) > newest_block:
            continue
        entry = copy_file(state, path, bundles=bundles, known=known)
        if entry is not None:
            yield entry


def copy_file(state: Path, path: str, *, bundles: Bundles, known: Known) -> FileEntry | None:
    """Take one file in; None when it is gone."""
    try:
        stamp = stamp_of(state / path)
        before = known.files.get(path)
        if before is not None and before.stamp == stamp and known.has(before):
            return before
        with FileSource(state / path) as source:
            pieces = tuple(bundles.add_range(source, 0, source.size))
            size, mode = source.size, stat.S_IMODE(os.fstat(source.descriptor).st_mode)
    except (FileNotFoundError, NotFound):
        return None
    except Damaged:  # it was cut short while it was read: as it is now
        return copy_file(state, path, bundles=bundles, known=known)
    return FileEntry(path=path, bytes=size, pieces=pieces, mode=mode, stamp=stamp)


def embedded_packages(node: Node, snapshot: Database) -> list[str]:
    """Give the files of the archive store that lies in the state folder, as far as rows mean them: no other disk has them."""
    if node.config.archive.store:
        return []
    rows = snapshot.read("SELECT stored FROM package_copy WHERE store = ? ORDER BY stored", (EMBEDDED_STORE,))
    names = [text(row, "stored") for row in rows]
    return [f"archive/store/{name}" for name in (MARKER, *(f"{name[:2]}/{name}" for name in names))]


def packages_elsewhere(snapshot: Database) -> list[PackageEntry]:
    """Give the packages that lie in archive stores of their own: named, not copied."""
    rows = snapshot.read(
        "SELECT digest, store, stored, bytes FROM package_copy WHERE store <> ? ORDER BY digest, store",
        (EMBEDDED_STORE,),
    )
    return [msgspec.convert(row, PackageEntry) for row in rows]


def _walk(state: Path, below: str) -> Iterator[str]:
    with os.scandir(state / below) as found:
        entries = sorted(found, key=lambda one: one.name)
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        if path in _LEFT_OUT or path.startswith((_DATABASE, "log.")) or path.endswith(".part"):
            continue
        followed = not below  # a folder of the state folder may lie on another disk
        if entry.is_dir(follow_symlinks=followed):
            yield from _walk(state, path)
        elif entry.is_file(follow_symlinks=followed):
            yield path
