"""Pieces gathered into sealed objects of a bounded size, and each piece put once.

Many packs and texts are small, and a store asks for each object anew: so pieces of many files share one. Every object
has a key of its own, which is sealed for the backup key before anything is put.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from node.archive.package.source import FileSource
from node.canonical import digest_of
from node.failpoints import failpoint, planted
from node.keys.backup_key import BackupKey
from node.keys.sealed import SealedFile, SealedWriter
from node.names import Digest
from ops.backup.known import Known
from ops.backup.manifest import Object, Piece, Spot
from ops.backup.place import Place

PIECE_BYTES = 4 << 20
BUNDLE_BYTES = 64 << 20
Progress = Callable[[str, int], None]
"""Called with what is done just now and the bytes put since the last call."""


class Bundles:
    """The objects of one backup in the making; for one thread."""

    def __init__(self, place: Place, key: BackupKey, *, known: Known, work: Path, progress: Progress) -> None:
        self._place = place
        self._key = key
        self._known = known
        self._work = work
        self._progress = progress
        self._writer: SealedWriter | None = None
        self._size = 0
        self._pieces: dict[Digest, tuple[int, int]] = {}
        self._waiting: list[tuple[SealedFile, Object, dict[Digest, tuple[int, int]]]] = []
        self.put_bytes = 0
        """Content that the place did not have."""

    def add(self, content: bytes) -> Piece:
        """Take a piece in, unless the place has it."""
        piece = Piece(digest_of(content), len(content))
        if piece.digest not in self._known.pieces and piece.digest not in self._pieces:
            self._write(content)
            self._pieces[piece.digest] = (self._size, piece.bytes)
            self._size += piece.bytes
            self.put_bytes += piece.bytes
            if self._size >= BUNDLE_BYTES:
                self._seal()
                self.send()
        return piece

    def add_range(
        self, source: FileSource, begin: int, end: int, *, piece_bytes: int = PIECE_BYTES
    ) -> Iterator[Piece]:
        """Take a stretch of a file in."""
        for at in range(begin, end, piece_bytes):
            yield self.add(source.read_at(at, min(piece_bytes, end - at)))

    def add_alone(self, content: bytes) -> Digest:
        """Put something as an object of its own; give the object's name."""
        self._seal()
        for at in range(0, len(content), PIECE_BYTES):
            self._write(content[at : at + PIECE_BYTES])
        return self._seal()

    def flush(self) -> None:
        """Put what was gathered; when this returns, the place has all of it."""
        self._seal()
        if not planted("backup-unsynced"):
            self.send()

    def send(self) -> None:
        """Put what is sealed, and write down that the place has it."""
        while self._waiting:
            sealed, object_, pieces = self._waiting[0]
            self._place.put(sealed.digest, sealed.path)
            failpoint("backup-object-put")
            self._known.add(object_, pieces)
            sealed.path.unlink()
            self._waiting.pop(0)
            self._progress("copied", object_.bytes)

    def abandon(self) -> None:
        """Leave nothing on the node's disk; nothing to do after `flush`."""
        if self._writer is not None:
            self._writer.abandon()
        for sealed, _, _ in self._waiting:
            sealed.path.unlink(missing_ok=True)

    def objects(self) -> dict[Digest, Object]:
        """Give all objects that there are for this backup, also those that wait to be put."""
        return {**self._known.objects, **{one.name: one for _, one, _ in self._waiting}}

    def spots(self) -> dict[Digest, Spot]:
        """Give where each piece lies, also those that wait to be put."""
        waiting = {
            digest: Spot(one.name, offset, size)
            for _, one, pieces in self._waiting
            for digest, (offset, size) in pieces.items()
        }
        return {**self._known.pieces, **waiting}

    def _write(self, content: bytes) -> None:
        if self._writer is None:
            self._writer = SealedWriter(self._work, named_by_digest=True)
        self._writer.write(content)

    def _seal(self) -> Digest:
        """End the object that is being gathered; give its name."""
        if self._writer is None:
            return Digest("")
        sealed = self._writer.finish()
        object_ = Object(name=sealed.digest, bytes=sealed.size_bytes, key=self._key.wrap(sealed.key))
        self._waiting.append((sealed, object_, self._pieces))
        self._writer, self._size, self._pieces = None, 0, {}
        return sealed.digest
