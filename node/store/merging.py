"""Several closed packs of one study made one, or one made of what the archive has: up to a new pack that is whole, synced and named.

Records are copied as they are, byte for byte, and every digest is held against
the bytes twice: as they are read, and read back from the disk once the new pack
is synced. The end record says which packs it took the place of and where each
begins, so that an index that is older than the merge, or empty, finds them by it.
What the rows mean, and when the old packs go, is `node.catalogue.moving`'s.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from node.clock import Clock
from node.errors import Damaged, InvalidRequest, Unavailable
from node.failpoints import failpoint, planted
from node.names import Digest
from node.store.descriptors import Descriptors
from node.store.directory import MERGED
from node.store.facts import MarkedRecord
from node.store.packs import Packs
from node.store.reading import chunks_at, digest_at, look
from node.store.record import (
    DIGEST_BYTES,
    MARK_BYTES,
    End,
    Header,
    Source,
    encode_end,
    end_mark,
    read_end,
    trailer,
)

_CHUNK_BYTES = 1 << 20
_STRETCH_BYTES = 16 << 20
"""So much of what comes back from the archive is read back at a time."""
SOURCES_AT_MOST = 5_000
"""Packs that one merged pack may name; it keeps its end record far below what a record may hold."""


def is_merged(pack: str) -> bool:
    """Say whether a pack took the place of others."""
    return pack.startswith(f"{MERGED}-")


def sources_of(packs: Packs, pack: str) -> tuple[Source, ...]:
    """Give the packs whose place a pack took, and those whose place they had taken; none for any other pack.

    Raises
    ------
    Damaged
        It is not whole.
    """
    if not is_merged(pack):
        return ()
    end = 0
    for record in packs.marked(pack, 0):
        end = record.next_offset
    number = Descriptors(1).get(packs.path(pack))
    found = look(number.number, end, os.fstat(number.number).st_size)
    if found is None or not found.header.is_end:
        raise Damaged(f"Reading the end of pack {pack} failed: it has none. Restore it from the backup.")
    return read_end(found.facts).merged


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where an instance is to stand that comes back from the archive."""

    file: str
    at: int
    """Of its file meta."""
    offset: int
    """Of its record."""
    data_offset: int
    end: int
    """Of its data set."""
    head: bytes
    digest: Digest


class MergedPack:
    """A merged pack in the making, held until it is settled; for one thread."""

    def __init__(self, packs: Packs, clock: Clock) -> None:
        self._packs = packs
        self._clock = clock
        self._sources: list[Source] = []
        self._digests: dict[int, Digest] = {}
        self._records = 0
        self._old = Descriptors(2)
        self._reader: ThreadPoolExecutor | None = None
        self._read: list[Future[None]] = []
        self._read_to = 0
        self.size = 0
        """Of the records so far."""
        with _on_disk():
            self.name, self._descriptor = packs.directory.begin_merge()

    def take(self, pack: str, records: Sequence[MarkedRecord]) -> int:
        """Copy a closed pack's records, all of them; give where its first one stands here.

        Raises
        ------
        Damaged
            A byte is not what was received; nothing of the pack was taken.
        InvalidRequest
            Too many packs stand behind these.
        """
        inside = sources_of(self._packs, pack)
        begin, count = self.size, self._records
        if len(self._sources) + len(inside) >= SOURCES_AT_MOST:
            raise InvalidRequest(f"Merging pack {pack} was refused: too many packs stand behind these.")
        try:
            for record in records:
                self._copy(record)
        except BaseException:
            self._cut_back(begin, count)
            raise
        self._sources.append(Source(pack=pack, offset=begin, size_bytes=self.size - begin))
        self._sources += (
            Source(pack=one.pack, offset=begin + one.offset, size_bytes=one.size_bytes) for one in inside
        )
        return begin

    def copy(self, record: MarkedRecord) -> int:
        """Copy one record, of a pack whose place this one does not take as a whole; give where it stands here.

        Raises
        ------
        Damaged
            A byte is not what was received; nothing of it was taken.
        """
        begin, count = self.size, self._records
        try:
            self._copy(record)
        except BaseException:
            self._cut_back(begin, count)
            raise
        return begin

    def leave_room(self, entry: bytes, *, meta_bytes: int, data_bytes: int, digest: Digest) -> Room:
        """Leave room for an instance that comes back from the archive, behind the head of its record.

        Whoever writes there need not be trusted: all of it is compared when the pack is read back.

        Parameters
        ----------
        entry
            The JSON part of its record, as it was.
        """
        header = Header(facts_bytes=len(entry), meta_bytes=meta_bytes, data_bytes=data_bytes)
        begin, head = self.size, header.encode() + entry
        with _on_disk():
            self._write(head, begin)
        self.size += header.marked_bytes
        self._digests[begin] = digest
        self._records += 1
        return Room(
            file=f"/proc/{os.getpid()}/fd/{self._descriptor}",
            at=begin + len(head),
            offset=begin,
            data_offset=begin + header.head_bytes,
            end=begin + header.head_bytes + data_bytes,
            head=head,
            digest=digest,
        )

    def fill(self, room: Room) -> None:
        """End a record whose file meta and data set stand in their room by now."""
        with _on_disk():
            meta = os.pread(self._descriptor, room.data_offset - room.at, room.at)
            trailing = trailer(room.head + meta, bytes.fromhex(room.digest))
            self._write(trailing + end_mark(trailing), room.end)
        if room.end - self._read_to >= _STRETCH_BYTES:
            self._read_behind(room.end + len(trailing) + MARK_BYTES)

    def take_back(self, room: Room) -> None:
        """Give up a room that nobody fills, and all behind it."""
        self._cut_back(room.offset, sum(1 for at in self._digests if at < room.offset))

    def finish(self) -> None:
        """End the pack, sync it, read it back, and give it its name.

        Raises
        ------
        Damaged
            The disk gives back other bytes than were written.
        """
        end = End(
            records=self._records,
            size_bytes=self.size,
            closed_at=self._clock.now(),
            merged=tuple(self._sources),
        )
        with _on_disk():
            os.ftruncate(self._descriptor, self.size)
            self._write(b"".join(encode_end(end)), self.size)
            failpoint("merge-copied")
            if not planted("merge-before-sync"):
                self._sync()
            for stretch in self._read:
                stretch.result()
            self._read_back(self._read_to, self.size)
            self._packs.directory.publish(self.name)
        failpoint("merge-named")

    def keep(self) -> None:
        """Say that the catalogue means it."""
        if planted("merge-before-sync"):
            self._sync()
        self._packs.directory.end_merge(self.name, kept=True)
        self.release()

    def drop(self) -> None:
        """Take it away again; the old packs stand."""
        self._packs.forget(self.name)
        self._packs.directory.end_merge(self.name, kept=False)
        self.release()

    def release(self) -> None:
        """Let go of it and leave it to whoever settles what a crash left."""
        if self._reader is not None:
            self._reader.shutdown(cancel_futures=True)
        os.close(self._descriptor)

    def _copy(self, record: MarkedRecord) -> None:
        """Copy one record with its end mark: head and trailer agree, its data set has the digest they say."""
        place, begin = record.location, self.size
        old = self._old.get(self._packs.path(place.pack))
        behind = place.data_offset + place.data_bytes
        digest = hashlib.sha256()
        with _on_disk():
            self._copy_bytes(old.number, place.offset, place.data_offset)
            for chunk in chunks_at(old.number, place.data_offset, place.data_bytes):
                digest.update(chunk)
                self._append(chunk)
            self._copy_bytes(old.number, behind, record.next_offset)
        whole = self.size - begin == record.next_offset - place.offset
        if not whole or not _agrees(digest.hexdigest(), record.digest):
            raise Damaged(
                f"Merging pack {place.pack} was refused: the record at byte {place.offset} is not what was received."
                " Run 'meridian verify', and restore the pack or have the study sent again."
            )
        self._digests[begin] = record.digest
        self._records += 1

    def _copy_bytes(self, old: int, begin: int, end: int) -> None:
        for chunk in chunks_at(old, begin, end - begin):
            self._append(chunk)

    def _append(self, chunk: bytes) -> None:
        self._write(chunk, self.size)
        self.size += len(chunk)

    def _write(self, chunk: bytes, at: int) -> None:
        left = memoryview(chunk)
        while left:
            taken = os.pwrite(self._descriptor, left, at)
            at, left = at + taken, left[taken:]

    def _cut_back(self, size: int, records: int) -> None:
        self._digests = {at: digest for at, digest in self._digests.items() if at < size}
        self.size, self._records = size, records

    def _sync(self) -> None:
        os.fsync(self._descriptor)
        # So that reading back asks the disk, as far as it lets itself be asked.
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def _read_behind(self, end: int) -> None:
        """Have what stands up to here synced and read back while what follows is still made: somebody waits for it."""
        if self._reader is None:
            self._reader = ThreadPoolExecutor(1, "read-back")
        self._read.append(self._reader.submit(self._settle, self._read_to, end))
        self._read_to = end

    def _settle(self, begin: int, end: int) -> None:
        with _on_disk():
            self._sync()
            self._read_back(begin, end)

    def _read_back(self, begin: int, end: int) -> None:
        size, at = os.fstat(self._descriptor).st_size, begin
        stretch = [(offset, digest) for offset, digest in [*self._digests.items()] if begin <= offset < end]
        for offset, digest in stretch:
            found = look(self._descriptor, offset, size)
            right = (
                offset == at
                and found is not None
                and found.agrees
                and found.marked
                and found.trailing[:DIGEST_BYTES].hex() == digest
                and _agrees(
                    digest_at(self._descriptor, found.data_offset, found.header.data_bytes).hex(), digest
                )
            )
            if found is None or not right:
                raise Damaged(
                    f"Merging packs failed: byte {offset} of the new one reads back otherwise than it was written."
                    " The old ones stand. Check the disk."
                )
            at = found.next_offset
        if at != end:
            raise Damaged(f"Merging packs failed: byte {at} of the new one begins no record. Check the disk.")


def _agrees(digest: str, written: Digest) -> bool:
    return digest == written or planted("merge-unchecked")


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"Merging packs failed ({error.strerror}); the old ones stand. Check the disk."
        ) from error
