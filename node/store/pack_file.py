"""One pack being written: record, sync, mark, in that order, and nothing after a sync that failed.

The order is what a success status rests on. A failed sync may have dropped
bytes that the kernel then calls clean, so the file is cut back to its last mark
and never appended to or synced again: the next instance gets another pack.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import msgspec

from node.clock import Micros
from node.errors import Unavailable
from node.failpoints import failpoint, planted
from node.names import Digest
from node.store.directory import PackDirectory
from node.store.record import HEADER_BYTES, End, Header, data_digest, encode_end, end_mark, trailer

Bytes = bytes | bytearray | memoryview


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record was written."""

    offset: int
    data_offset: int
    data_bytes: int
    digest: Digest


@dataclass(slots=True)
class _Growing:
    """A record whose data set is still coming."""

    facts: bytes
    file_meta: bytes
    begin: int
    """Where the data set begins."""
    end: int = 0
    """How far it was written."""

    def __post_init__(self) -> None:
        self.end = self.begin


class PackFile:
    """A pack that this writer made and holds."""

    def __init__(self, directory: PackDirectory) -> None:
        self._directory = directory
        self.name, self._descriptor = directory.create()
        self.size = 0
        """Where the next record goes: behind the last mark."""
        self.broken = False
        """After a failed write, sync or mark: closed, and never appended to again."""
        self._records = 0
        self._owed_mark = b""
        self._growing: _Growing | None = None

    def append(
        self,
        facts: bytes,
        file_meta: bytes,
        *,
        data_set: Bytes,
        room: Callable[[int], None],
        digest: bytes | None = None,
    ) -> Placed:
        """Write a record, sync it, mark it; whatever fails leaves the pack at its last mark.

        Parameters
        ----------
        room
            Called with the number of bytes about to be written; raises when the disk must not take them.
        digest
            SHA-256 of the data set, for whoever made it while the bytes came in.

        Raises
        ------
        Unavailable
            The disk did not take it, or did not sync it.
        """
        self._pay_mark()
        room(len(data_set))
        header = Header(facts_bytes=len(facts), meta_bytes=len(file_meta), data_bytes=len(data_set))
        head = header.encode() + facts + file_meta
        trailing = trailer(head, digest or hashlib.sha256(data_set).digest())
        return self._promise(header, trailing, ((self.size, (head, data_set, trailing)),))

    def begin(self, facts: bytes, file_meta: bytes) -> None:
        """Begin a record whose length is not known yet; until it is finished zeros stand for its header."""
        self._pay_mark()
        self._growing = _Growing(facts, file_meta, self.size + HEADER_BYTES + len(facts) + len(file_meta))
        with self._kept("writing"):
            self._write([bytes(HEADER_BYTES), facts, file_meta], self.size)

    def grow(self, chunk: Bytes, room: Callable[[int], None]) -> None:
        """Write the next bytes of the data set of the record begun."""
        growing = self._begun()
        room(len(chunk))
        with self._kept("writing"):
            self._write([chunk], growing.end)
        growing.end += len(chunk)

    @contextmanager
    def grown(self) -> Iterator[memoryview]:
        """Look at the data set of the record begun, without holding it in memory."""
        growing = self._begun()
        size = growing.end - growing.begin
        if not size:
            yield memoryview(b"")
            return
        before = growing.begin % mmap.ALLOCATIONGRANULARITY
        with self._kept("reading"):
            mapped = mmap.mmap(
                self._descriptor, size + before, access=mmap.ACCESS_READ, offset=growing.begin - before
            )
        view = memoryview(mapped)[before:]
        try:
            yield view
        finally:
            view.release()
            with suppress(BufferError):  # who keeps a part of it keeps it mapped
                mapped.close()

    def finish(self, digest: bytes) -> Placed:
        """Sync and mark the record begun; `digest` is the SHA-256 of its data set."""
        growing, self._growing = self._begun(), None
        header = Header(
            facts_bytes=len(growing.facts),
            meta_bytes=len(growing.file_meta),
            data_bytes=growing.end - growing.begin,
        )
        trailing = trailer(header.encode() + growing.facts + growing.file_meta, digest)
        written = ((growing.end, (trailing,)), (self.size, (header.encode(),)))
        return self._promise(header, trailing, written)

    def cut_back(self) -> None:
        """Take off what stands behind the last mark: the record begun is dropped."""
        self._growing = None
        if not self.broken:
            try:
                os.ftruncate(self._descriptor, self.size)
            except OSError:
                self._break()

    def close(self, now: Micros) -> None:
        """Write the end record and let go; a pack without records vanishes. Never raises.

        A pack whose end record could not be written is closed by the next recovery.
        """
        if self.broken:
            return
        try:
            self._pay_mark()
            if not self._records:
                self._directory.discard(self.name)
            else:
                record, mark = encode_end(End(records=self._records, size_bytes=self.size, closed_at=now))
                with self._kept("closing"):
                    self._write([record], self.size)
                    os.fdatasync(self._descriptor)
                    self._write([mark], self.size + len(record))
        except (OSError, Unavailable):
            self._break()
        if not self.broken:
            self.broken = True
            os.close(self._descriptor)

    def _begun(self) -> _Growing:
        if self._growing is None or self.broken:
            raise Unavailable(
                "Storing an instance was refused: its pack was closed while it came in. Send it again."
            )
        return self._growing

    def _promise(
        self, header: Header, trailing: bytes, written: Sequence[tuple[int, Sequence[Bytes]]]
    ) -> Placed:
        """Write what is left of a record, sync it, then mark it.

        What needs no sync is made before it: this thread has slept then, and all it touches is far from its core.
        """
        placed = Placed(
            offset=self.size,
            data_offset=self.size + header.head_bytes,
            data_bytes=header.data_bytes,
            digest=data_digest(trailing),
        )
        mark, at, after = end_mark(trailing), self.size + header.record_bytes, self.size + header.marked_bytes
        act = "writing"
        try:
            for where, parts in written:
                self._write(parts, where)
            failpoint("received")
            act = "syncing"
            if planted("mark-before-sync"):
                self._write((mark,), at)
            if not planted("no-data-sync"):
                os.fdatasync(self._descriptor)
            act = "marking"
            if planted("answer-before-mark"):
                self._owed_mark = mark
            else:
                self._write((mark,), at)
        except OSError as error:
            raise self._failed(act, error) from error
        self.size = after
        self._records += 1
        return placed

    def _pay_mark(self) -> None:
        """Write the mark that a planted fault kept back."""
        if self._owed_mark:
            self._write([self._owed_mark], self.size - len(self._owed_mark))
            self._owed_mark = b""

    def _write(self, parts: Sequence[Bytes], at: int) -> None:
        """Write all of it at an offset, however little the kernel takes at a time."""
        size = sum(map(len, parts))
        taken = os.pwritev(self._descriptor, parts, at)
        if taken == size:
            return
        left = [memoryview(part).cast("B") for part in parts if len(part)]
        while left:
            at += taken
            while left and taken >= len(left[0]):
                taken -= len(left.pop(0))
            if left:
                left[0] = left[0][taken:]
                taken = os.pwritev(self._descriptor, left, at)

    @contextmanager
    def _kept(self, act: str) -> Iterator[None]:
        """Turn the disk's refusal into `Unavailable`, with the pack closed at its last mark."""
        try:
            yield
        except OSError as error:
            raise self._failed(act, error) from error

    def _failed(self, act: str, error: OSError) -> Unavailable:
        self._break()
        return Unavailable(
            f"Storing an instance was refused: {act} its pack failed ({error.strerror})."
            " Check the disk, then send again."
        )

    def _break(self) -> None:
        """Close at the last mark, for good; recovery ends the pack at the next start."""
        if self.broken or planted("append-after-failed-sync"):
            return
        self.broken = True
        with suppress(OSError):
            os.ftruncate(self._descriptor, self.size)
        if not self._records:
            with suppress(OSError):
                self._directory.discard(self.name)
        os.close(self._descriptor)
