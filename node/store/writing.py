"""Storing instances of one study, whole or while they come in.

A writer begins a pack with its first instance, and another one when that has
grown past its size or failed. The order of what is written is `pack_file`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from node.clock import Clock
from node.errors import Defect
from node.names import Cause
from node.store.directory import PackDirectory
from node.store.facts import AssociationFacts, Entry, Location, Stored
from node.store.pack_file import Bytes, PackFile, Placed


class PackWriter:
    """Stores instances of one study in packs of their own; for one thread."""

    def __init__(
        self,
        directory: PackDirectory,
        clock: Clock,
        *,
        study_uid: str,
        cause: Cause,
        roll_bytes: int,
        room: Callable[[int], None],
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._study_uid = study_uid
        self._cause = cause
        self._roll_bytes = roll_bytes
        self._room = room
        self._file: PackFile | None = None

    def append(
        self,
        facts: AssociationFacts,
        *,
        sop_class: str,
        sop_uid: str,
        file_meta: bytes,
        data_set: Bytes,
        digest: bytes | None = None,
    ) -> Stored:
        """Store an instance; when this returns, it is written, synced and marked.

        Parameters
        ----------
        file_meta
            Group 0002, without preamble.
        digest
            SHA-256 of the data set, if it is known.

        Raises
        ------
        Unavailable
            The disk is full, or failed. Nothing of the instance remains, and the next one gets a new pack.
        """
        file, entry = self._ready(facts, sop_class, sop_uid)
        placed = file.append(entry, file_meta, data_set=data_set, room=self._room, digest=digest)
        return _stored(file, placed, file_meta)

    def begin(self, facts: AssociationFacts, *, sop_class: str, sop_uid: str, file_meta: bytes) -> Growing:
        """Begin to store an instance of unknown length, one at a time; raises as `append` does."""
        file, entry = self._ready(facts, sop_class, sop_uid)
        file.begin(entry, file_meta)
        return Growing(file, file_meta, self._room)

    def close(self) -> None:
        """End the pack; what was stored is safe without it."""
        if self._file is not None:
            self._file.close(self._clock.now())
            self._file = None

    def _ready(self, facts: AssociationFacts, sop_class: str, sop_uid: str) -> tuple[PackFile, bytes]:
        if (facts.study_uid, facts.cause) != (self._study_uid, self._cause):
            raise Defect(
                "Storing an instance was refused: this pack is another study's, or another association's."
            )
        return self._writable(), Entry(facts=facts, sop_class=sop_class, sop_uid=sop_uid).encode()

    def _writable(self) -> PackFile:
        if self._file is not None and (self._file.broken or self._file.size >= self._roll_bytes):
            self.close()
        if self._file is None:
            self._file = PackFile(self._directory)
        return self._file


class Growing:
    """An instance on its way into a pack: nothing of it counts before `finish`, nothing is left after `drop`."""

    def __init__(self, file: PackFile, file_meta: bytes, room: Callable[[int], None]) -> None:
        self._file, self._file_meta, self._room = file, file_meta, room

    def write(self, chunk: Bytes) -> None:
        """Write the next bytes of the data set; raises as `PackWriter.append` does."""
        self._file.grow(chunk, self._room)

    def look(self) -> AbstractContextManager[memoryview]:
        """Give all that was written of the data set, to be looked through."""
        return self._file.grown()

    def finish(self, digest: bytes) -> Stored:
        """Store it: written, synced and marked when this returns; `digest` is the SHA-256 of the data set."""
        return _stored(self._file, self._file.finish(digest), self._file_meta)

    def drop(self) -> None:
        """Leave nothing of it. Never raises."""
        self._file.cut_back()


def _stored(file: PackFile, placed: Placed, file_meta: bytes) -> Stored:
    location = Location(
        pack=file.name,
        offset=placed.offset,
        meta_bytes=len(file_meta),
        data_offset=placed.data_offset,
        data_bytes=placed.data_bytes,
    )
    return Stored(location=location, digest=placed.digest, next_offset=file.size)
