"""What a crash left of a pack, and making it whole again.

The file is synced and read anew from the disk. A whole record with a right
digest gets its mark and counts; what stands behind the last such record was
never answered for and is cut off; then the pack is ended. Nothing is cut off
when something behind it bears a mark: those bytes were promised, and a person
must see that they are damaged.

The caller holds the pack, so no writer lives; readers may read on meanwhile,
since they believe marks only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple

from node.clock import Micros
from node.failpoints import planted
from node.store.reading import Found, digest_at, look, read_at
from node.store.record import (
    HEADER_BYTES,
    MAGIC,
    MARK_BYTES,
    TRAILER_BYTES,
    End,
    Foreign,
    encode_end,
    end_mark,
)

_WINDOW_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was found in one pack and done to it."""

    records: int
    """Whole records, the end record not counted."""
    marked: int
    """Records among them that had lost their mark, or never got it."""
    cut_bytes: int
    damage: str
    """Why the pack was left as it is; empty when it is whole."""


class _Walk(NamedTuple):
    """How far the whole records reach."""

    end: int
    records: int
    missing: list[tuple[int, bytes]]
    """Marks to write, and where."""
    ended: bool
    damage: str


def recover_pack(descriptor: int, now: Micros) -> Recovered:
    """Sync a pack, mark its whole records, cut off the rest, end it.

    Raises
    ------
    OSError, Unavailable
        The disk does not do it; the pack is then to be left alone.
    """
    os.fsync(descriptor)
    # Pages that a failed sync dropped may still be in memory and called clean: ask the disk itself.
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    size = os.fstat(descriptor).st_size
    walk = _walk(descriptor, size)
    if walk.damage:
        return Recovered(records=walk.records, marked=0, cut_bytes=0, damage=walk.damage)
    for offset, mark in walk.missing:
        os.pwrite(descriptor, mark, offset)
    cut = max(0, size - walk.end)
    if cut:
        os.ftruncate(descriptor, walk.end)
    if not walk.ended and walk.records:
        record, mark = encode_end(End(records=walk.records, size_bytes=walk.end, closed_at=now))
        os.pwrite(descriptor, record, walk.end)
        os.fsync(descriptor)
        os.pwrite(descriptor, mark, walk.end + len(record))
    os.fsync(descriptor)
    return Recovered(records=walk.records, marked=len(walk.missing), cut_bytes=cut, damage="")


def _walk(descriptor: int, size: int) -> _Walk:
    at, records, ended = 0, 0, False
    missing: list[tuple[int, bytes]] = []
    while at < size and not ended:
        try:
            found = look(descriptor, at, size)
        except Foreign as error:
            damage = f"Recovering it was refused at byte {at}: {error}"
            return _Walk(at, records, [], False, damage)
        if found is None or not _is_whole(descriptor, found):
            break
        if not found.marked:
            missing.append((found.next_offset - MARK_BYTES, end_mark(found.trailing)))
        ended = found.header.is_end
        records += not ended
        at = found.next_offset
    damage = ""
    if at < size and not ended and _was_promised(descriptor, at, size):
        damage = (
            f"Recovering it stopped at byte {at}: the record there is damaged, and it or one behind it had"
            " been acknowledged. Nothing was cut off; have the study sent again, then run 'meridian verify'."
        )
    return _Walk(at, records, missing, ended, damage)


def _is_whole(descriptor: int, found: Found) -> bool:
    """Say whether a record counts: marked it was synced, unmarked its data set must have the right digest."""
    if not found.agrees:
        return False
    if found.marked or planted("torn-tail-accepted"):
        return True
    digest = digest_at(descriptor, found.data_offset, found.header.data_bytes)
    return digest == found.trailing[: len(digest)]


def _was_promised(descriptor: int, offset: int, size: int) -> bool:
    """Say whether anything from an offset on bears a mark: the last bytes of the file, or a record found by its magic."""
    if size - offset >= HEADER_BYTES + TRAILER_BYTES + MARK_BYTES:
        last = read_at(descriptor, size - TRAILER_BYTES - MARK_BYTES, TRAILER_BYTES + MARK_BYTES)
        if last[TRAILER_BYTES:] == end_mark(last[:TRAILER_BYTES]):
            return True
    return any(_is_promise(descriptor, at, size) for at in _magics(descriptor, offset, size))


def _is_promise(descriptor: int, offset: int, size: int) -> bool:
    try:
        found = look(descriptor, offset, size)
    except Foreign:
        return False
    return found is not None and found.marked


def _magics(descriptor: int, offset: int, size: int) -> list[int]:
    """Give every place from an offset on where a record may begin."""
    places: list[int] = []
    while offset < size:
        window = read_at(descriptor, offset, _WINDOW_BYTES + len(MAGIC) - 1)
        at = window.find(MAGIC)
        while at >= 0:
            places.append(offset + at)
            at = window.find(MAGIC, at + 1)
        offset += _WINDOW_BYTES
    return places
