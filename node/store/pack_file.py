"""One pack being written: record, sync, mark, in that order, and nothing after a sync that failed.

The order is what a success status rests on. A failed sync may have dropped
bytes that the kernel then calls clean, so the file is cut back to its last mark
and never appended to or synced again: the next instance gets another pack.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from node.clock import Micros
from node.errors import Unavailable
from node.failpoints import failpoint, planted
from node.names import Digest
from node.store.directory import PackDirectory
from node.store.record import HEADER_BYTES, End, Header, data_digest, encode_end, end_mark, trailer

Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a record was written."""

    offset: int
    data_offset: int
    data_bytes: int
    digest: Digest


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

    def append(
        self,
        facts: bytes,
        file_meta: bytes,
        *,
        data_set: Bytes | Iterable[Bytes],
        room: Callable[[int], None],
    ) -> Placed:
        """Write a record, sync it, mark it; whatever fails leaves the pack at its last mark.

        Parameters
        ----------
        data_set
            The bytes, or chunks of them: those are written and hashed as they come.
        room
            Called with the number of bytes about to be written; raises when the disk must not take them.

        Raises
        ------
        Unavailable
            The disk did not take it, or did not sync it.
        """
        self._pay_mark()
        try:
            if isinstance(data_set, Bytes):
                header, trailing = self._write_whole(facts, file_meta, data_set=data_set, room=room)
            else:
                header, trailing = self._write_chunks(facts, file_meta, chunks=data_set, room=room)
        except BaseException:
            self._cut_back()
            raise
        failpoint("received")
        with self._kept("syncing"):
            if not planted("no-data-sync"):
                os.fdatasync(self._descriptor)
        placed = Placed(
            offset=self.size,
            data_offset=self.size + header.head_bytes,
            data_bytes=header.data_bytes,
            digest=data_digest(trailing),
        )
        self._mark(end_mark(trailing), header)
        return placed

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

    def _write_whole(
        self, facts: bytes, file_meta: bytes, *, data_set: Bytes, room: Callable[[int], None]
    ) -> tuple[Header, bytes]:
        room(len(data_set))
        header = Header(facts_bytes=len(facts), meta_bytes=len(file_meta), data_bytes=len(data_set))
        head = header.encode() + facts + file_meta
        trailing = trailer(head, hashlib.sha256(data_set).digest())
        with self._kept("writing"):
            self._write([head, data_set, trailing], self.size)
        return header, trailing

    def _write_chunks(
        self, facts: bytes, file_meta: bytes, *, chunks: Iterable[Bytes], room: Callable[[int], None]
    ) -> tuple[Header, bytes]:
        """Write the header last, when the length is known; until then zeros stand there."""
        digest = hashlib.sha256()
        begin = at = self.size + HEADER_BYTES + len(facts) + len(file_meta)
        with self._kept("writing"):
            self._write([bytes(HEADER_BYTES), facts, file_meta], self.size)
        for chunk in chunks:
            room(len(chunk))
            digest.update(chunk)
            with self._kept("writing"):
                self._write([chunk], at)
            at += len(chunk)
        header = Header(facts_bytes=len(facts), meta_bytes=len(file_meta), data_bytes=at - begin)
        trailing = trailer(header.encode() + facts + file_meta, digest.digest())
        with self._kept("writing"):
            self._write([trailing], at)
            self._write([header.encode()], self.size)
        return header, trailing

    def _mark(self, mark: bytes, header: Header) -> None:
        at = self.size + header.record_bytes
        if planted("answer-before-mark"):
            self._owed_mark = mark
        else:
            with self._kept("marking"):
                self._write([mark], at)
        self.size += header.marked_bytes
        self._records += 1

    def _pay_mark(self) -> None:
        """Write the mark that a planted fault kept back."""
        if self._owed_mark:
            self._write([self._owed_mark], self.size - len(self._owed_mark))
            self._owed_mark = b""

    def _write(self, parts: Sequence[Bytes], at: int) -> None:
        """Write all of it at an offset, however little the kernel takes at a time."""
        left = [memoryview(part).cast("B") for part in parts if len(part)]
        while left:
            taken = os.pwritev(self._descriptor, left, at)
            at += taken
            while left and taken >= len(left[0]):
                taken -= len(left.pop(0))
            if left:
                left[0] = left[0][taken:]

    @contextmanager
    def _kept(self, act: str) -> Iterator[None]:
        """Turn the disk's refusal into `Unavailable`, with the pack closed at its last mark."""
        try:
            yield
        except OSError as error:
            self._break()
            raise Unavailable(
                f"Storing an instance was refused: {act} its pack failed ({error.strerror})."
                " Check the disk, then send again."
            ) from error

    def _cut_back(self) -> None:
        """Take off what stands behind the last mark."""
        if not self.broken:
            try:
                os.ftruncate(self._descriptor, self.size)
            except OSError:
                self._break()

    def _break(self) -> None:
        """Close at the last mark, for good; recovery ends the pack at the next start."""
        if self.broken:
            return
        self.broken = True
        with suppress(OSError):
            os.ftruncate(self._descriptor, self.size)
        if not self._records:
            with suppress(OSError):
                self._directory.discard(self.name)
        os.close(self._descriptor)
