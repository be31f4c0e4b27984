"""A store outside the building: packages are sealed here before they go there, and opened here.

Each put draws a fresh key and so makes other bytes, which have a name of their own: a put that was repeated after a
crash never takes away the bytes that a row means. The package's name is not told to the store either.

The key stands in the row, and once more in a note beside the archive key: whoever lost the rows opens the package still. A
copy is destroyed by removing it, or by forgetting both, wherever its bytes are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from node.archive.package.source import FileSource, cut_off
from node.archive.stores.port import ArchiveStore, Stored, StoredFile
from node.errors import Damaged, NotFound, Unavailable
from node.failpoints import planted
from node.keys.archive_keys import ArchiveKeys, unwrap, wrap, wrapped_by
from node.keys.package_notes import Note, PackageNotes
from node.keys.sealed import CHUNK_BYTES, SealedFile, SealedReader, SealedWriter, unseal
from node.names import Digest


class EncryptedStore:
    """A store around another, which sees only sealed files."""

    def __init__(self, inner: ArchiveStore, keys: ArchiveKeys) -> None:
        self._inner = inner
        self._keys = keys
        self._notes = PackageNotes(keys.directory, inner.name)

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def is_slow(self) -> bool:
        return self._inner.is_slow

    def put(self, package: Digest, file: Path) -> Stored:
        """Keep a file; it is sealed beside itself, on the node's disk, and that one is removed again."""
        sealed_path = file.with_name(f"{package}.{self.name}.sealed")
        try:
            sealed = self._seal(package, file, sealed_path)
            wrapped = wrap(sealed.key, self._keys.current, package=package)
            self._note(sealed.digest, package=package, wrapped=wrapped)
            stored = self._inner.put(sealed.digest, sealed.path)
        finally:
            sealed_path.unlink(missing_ok=True)
        return replace(stored, package=package, wrapped_key=wrapped)

    def keep_key(self, stored: Stored) -> None:
        """Note the key of a package that was put before keys were noted, or is wrapped by another key now.

        Raises
        ------
        Unavailable
            The disk of the keys is full or failing.
        """
        note = self._noted(stored.stored_name)
        if stored.wrapped_key and (note is None or note.wrapped != stored.wrapped_key):
            self._note(stored.stored_name, package=stored.package, wrapped=stored.wrapped_key)

    def forget_key(self, stored_name: Digest) -> None:
        """Destroy the note of a package's key: with its row's, the copy cannot be opened, wherever its bytes are."""
        self._notes.forget(stored_name)

    def open(self, stored: Stored) -> StoredFile:
        key = self._key(stored)
        return _Unsealed(SealedReader(self._inner.open(_as_lies(stored)), key, name=_label(stored)))

    def near(self, stored: Stored) -> Path | None:
        return None

    def read_back(self, stored: Stored) -> Iterator[bytes]:
        yield from unseal(self._inner.read_back(_as_lies(stored)), self._key(stored), name=_label(stored))

    def remove(self, stored_name: Digest) -> None:
        self._notes.forget(
            stored_name
        )  # first: with its row's key gone, it opens no more though the store is away
        self._inner.remove(stored_name)

    def names(self, *, after: str = "") -> Iterator[Digest]:
        return self._inner.names(after=after)

    def listed(self) -> Iterator[Stored]:
        for one in self._inner.listed():
            note = self._noted(one.stored_name)
            if note is None:
                yield replace(one, package=Digest(""))
            else:
                yield replace(one, package=note.package, wrapped_key=note.wrapped)

    def room(self) -> int | None:
        return self._inner.room()

    def close(self) -> None:
        self._inner.close()

    def _noted(self, stored_name: Digest) -> Note | None:
        """Give a note; None where it was altered, which must not hide the others."""
        try:
            return self._notes.peek(stored_name)
        except Damaged:
            return None

    def _note(self, stored_name: Digest, *, package: Digest, wrapped: str) -> None:
        """Keep what the row keeps, since rows may be lost; before the package is put, so that none lacks it."""
        if not planted("key-not-noted"):
            self._notes.write(stored_name, package=package, wrapped=wrapped)

    def _seal(self, package: Digest, file: Path, target: Path) -> SealedFile:
        hash_ = hashlib.sha256()
        try:
            with closing(FileSource(file)) as source, SealedWriter(target) as writer:
                for at in range(0, source.size, CHUNK_BYTES):
                    piece = source.read_at(at, min(CHUNK_BYTES, source.size - at))
                    hash_.update(piece)
                    writer.write(piece)
                if hash_.hexdigest() != package and not planted("put-unchecked"):
                    raise Damaged(
                        f"Sealing a package for archive store {self.name!r} failed: {file.name} is not what its name says."
                        " Make it again."
                    )
                return writer.finish()
        except OSError as error:
            raise Unavailable(
                f"Sealing a package for archive store {self.name!r} failed ({error.strerror}): see to the node's disk,"
                " try again."
            ) from error

    def _key(self, stored: Stored) -> str:
        if not stored.wrapped_key:
            raise NotFound(
                f"Opening a package in archive store {self.name!r} failed: its key was forgotten. Use its other copy."
            )
        archive_key = self._keys.get(wrapped_by(stored.wrapped_key))
        return unwrap(stored.wrapped_key, archive_key, package=stored.package)


@dataclass(frozen=True, slots=True)
class _Unsealed:
    """A sealed package as its readers see it."""

    _reader: SealedReader

    @property
    def size(self) -> int:
        return self._reader.length

    def read_at(self, offset: int, length: int) -> bytes:
        raw = self._reader.read_at(offset, length)
        if len(raw) < length:
            raise cut_off()
        return raw

    def close(self) -> None:
        self._reader.close()


def _as_lies(stored: Stored) -> Stored:
    """Give what the inner store knows: sealed bytes, by their own name."""
    return replace(stored, package=stored.stored_name, wrapped_key="")


def _label(stored: Stored) -> str:
    return stored.stored_name[:12]
