"""Packs in a backup: each up to its last marked record, and of a pack that grew only what it grew by.

Rows were read before, and packs are pinned: whatever a row of the snapshot means stands below the mark that is found
here. Records behind the snapshot's rows are copied too; they were answered for, and the index of a restored node
registers them. A pack never changes below its marks, so what the place has of it is not looked at again, once the
bytes where that ends show that it is the same pack.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from node.archive.package.source import FileSource
from node.canonical import digest_of
from node.database.port import Database, text
from node.errors import Damaged, InvalidRequest, NotFound
from node.node import Node
from ops.backup.bundles import Bundles
from ops.backup.known import Known
from ops.backup.manifest import FileEntry

FOLDER = "packs"
_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How much of a pack counts."""

    marked: int
    """Behind its last marked record."""
    bytes: int
    """With the end record, where it has one."""
    ended: bool


def pack_path(pack: str) -> str:
    """Give a pack's path in the state folder."""
    return f"{FOLDER}/{pack}.pack"


def wanted_packs(node: Node, snapshot: Database) -> list[str]:
    """Give the packs there are, without those whose records the snapshot's rows find in another."""
    rows = snapshot.read(
        "SELECT pack FROM retired_pack WHERE NOT EXISTS (SELECT 1 FROM online_instance AS one WHERE one.pack = retired_pack.pack)"
    )
    retired = {text(row, "pack") for row in rows}
    return [pack for pack in node.packs.names() if pack not in retired]


def copy_packs(node: Node, packs: list[str], *, bundles: Bundles, known: Known) -> Iterator[FileEntry]:
    """Take packs in; give what each is made of at the place."""
    for pack in packs:
        entry = _copy_pack(node, pack, bundles=bundles, known=known)
        if entry is not None:
            yield entry


def _copy_pack(node: Node, pack: str, *, bundles: Bundles, known: Known) -> FileEntry | None:
    """Take one in; None when it never held a record."""
    path = node.packs.path(pack)
    known_as = known.files.get(pack_path(pack))
    try:
        stamp = stamp_of(path)
        if known_as is not None and known_as.ended and known_as.stamp == stamp and known.has(known_as):
            return known_as  # nearly all are so, and none of them is opened
        source = FileSource(path)
    except (FileNotFoundError, NotFound):
        return None  # dropped since it was listed: it held nothing
    with source:
        before = _covered(source, known_as, known)
        if before is not None and before.ended:
            return msgspec.structs.replace(before, stamp=stamp)
        reach = reach_of(node, pack, before.marked if before is not None else 0)
        if not reach.bytes:
            return None
        begin = before.bytes if before is not None else 0
        pieces = before.pieces if before is not None else ()
        return FileEntry(
            path=pack_path(pack),
            bytes=reach.bytes,
            pieces=(*pieces, *bundles.add_range(source, begin, reach.bytes)),
            marked=reach.marked,
            ended=reach.ended,
            tail=_tail(source, reach.bytes),
            stamp=stamp,
        )


def reach_of(node: Node, pack: str, begin: int) -> Reach:
    """Say how much of a pack counts; ``begin`` is the end of a record. One that is damaged counts as it lies."""
    at = begin
    try:
        for record in node.packs.marked(pack, begin):
            at = record.next_offset
        ended = node.packs.is_finished(pack, at)
    except (Damaged, InvalidRequest):
        return Reach(marked=at, bytes=_size(node, pack), ended=False)
    return Reach(marked=at, bytes=_size(node, pack) if ended else at, ended=ended)


def stamp_of(path: Path) -> tuple[int, ...]:
    """Give what the file system says of a file that tells whether it was changed."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _covered(source: FileSource, entry: FileEntry | None, known: Known) -> FileEntry | None:
    """Give what the place has of a pack, if it is this very pack."""
    if entry is None or not known.has(entry) or source.size < entry.bytes:
        return None
    return entry if _tail(source, entry.bytes) == entry.tail else None


def _tail(source: FileSource, end: int) -> str:
    """Give the digest of the bytes before an end: the trailer and mark of a record are among them."""
    begin = max(0, end - _TAIL_BYTES)
    return digest_of(source.read_at(begin, end - begin))


def _size(node: Node, pack: str) -> int:
    return node.packs.path(pack).stat().st_size
