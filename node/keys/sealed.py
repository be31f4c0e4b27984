"""Sealed files: a peer's blob and an encrypted package, readable at any offset with the file's own key.

A header of 16 bytes, then chunks of 1 MiB, each under AES-256-GCM. A chunk's
nonce is its place and whether it is the last, so that a chunk moved, repeated,
dropped or cut off does not open. The last chunk is opened before anything is
given out: the length of the content is proved, not taken from the file system.

README.md in this folder has the bytes. Source: Hoang, Reyhanitabar, Rogaway and
Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance" (STREAM).
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import secrets
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from node.durable import sync_directory
from node.errors import Damaged, GridError, NotFound, Unavailable
from node.failpoints import planted
from node.keys.aead import KEY_BYTES, TAG_BYTES, decrypt, encrypt, new_key
from node.keys.encoding import from_base64, to_base64
from node.names import Digest

CHUNK_BYTES = 1 << 20
_SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
_CHUNKS_AT_ONCE = 8
HEADER = struct.pack(">8sBBHI", b"MRDNSEAL", 1, 1, 0, CHUNK_BYTES)
"""Magic, format version, suite (1: AES-256-GCM), 0, chunk size. It is every chunk's associated data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """A finished sealed file."""

    path: Path
    digest: Digest
    """SHA-256 of the file as it lies: its name among nodes."""
    size_bytes: int
    """Of the file, not of the content."""
    key: str
    """Base64; whoever has it can read the file."""


class SealedWriter:
    """Seals a stream into one file that appears, whole and synced, when it is finished.

    Every writer draws its own key, so that an attempt repeated after a crash never
    seals other bytes under the same key and nonces. Until then the bytes lie in a
    ``.part`` file beside it, locked while its writer lives.
    """

    def __init__(self, path: Path, *, named_by_digest: bool = False) -> None:
        """Begin a file at ``path``, or with ``named_by_digest`` one in the folder ``path``."""
        self._path = path
        self._named_by_digest = named_by_digest
        directory = path if named_by_digest else path.parent
        stem = "blob" if named_by_digest else path.name
        self._part = directory / f"{stem}.{secrets.token_hex(8)}.part"
        self._key = new_key()
        self._hash = hashlib.sha256()
        self._size = 0
        self._held = bytearray()
        self._count = 0
        with self._as_unavailable():
            self._fd = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            self._write(HEADER)

    def write(self, content: bytes | bytearray | memoryview) -> int:
        """Seal more content, of any length."""
        self._held += content
        with self._as_unavailable():
            while len(self._held) > CHUNK_BYTES:  # the last chunk, even a full one, waits for `finish`
                self._seal(bytes(self._held[:CHUNK_BYTES]), last=False)
                del self._held[:CHUNK_BYTES]
        return len(content)

    def finish(self) -> SealedFile:
        """Seal the last chunk, sync, give the file its name and sync that.

        Raises
        ------
        Unavailable
            The disk is full or failing; nothing has the name, and the part is gone.
        """
        with self._as_unavailable():
            self._seal(bytes(self._held), last=True)
            if not planted("no-seal-sync"):
                os.fsync(self._fd)
            digest = Digest(self._hash.hexdigest())
            path = self._path / digest if self._named_by_digest else self._path
            self._part.rename(path)
            sync_directory(path.parent)
        os.close(self._fd)
        self._fd = -1
        return SealedFile(path=path, digest=digest, size_bytes=self._size, key=to_base64(self._key))

    def abandon(self) -> None:
        """Leave no trace; nothing to do after `finish`."""
        if self._fd >= 0:
            self._part.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._write(encrypt(self._key, chunk, nonce=chunk_nonce(self._count, last=last), aad=HEADER))
        self._count += 1

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(self._fd, view) :]
        self._hash.update(content)
        self._size += len(content)

    @contextmanager
    def _as_unavailable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            with suppress(OSError, AttributeError):
                self.abandon()
            raise Unavailable(
                f"Sealing {self._path.name} failed ({error.strerror}): see to the disk, then try again."
            ) from error


class _Buffer(Protocol):
    """What a memoryview can be taken of; Python 3.12 has it as ``collections.abc.Buffer``."""

    def __buffer__(self, flags: int, /) -> memoryview:
        """Give its memory."""


class SealedBytes(Protocol):
    """Where a sealed file lies: on a disk, or in a store that gives ranges of it, from any thread."""

    @property
    def size(self) -> int: ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Give a range; fewer bytes only at the end."""

    def close(self) -> None: ...


class SealedReader(io.RawIOBase):
    """The content of a sealed file; seekable, and safe to `read_at` from several threads. It closes what it reads."""

    def __init__(self, sealed: Path | SealedBytes, key: str, *, name: str = "") -> None:
        """Open a file, or what lies elsewhere under a name that messages use."""
        self._sealed: SealedBytes | None = None
        self._name = name or (sealed.name if isinstance(sealed, Path) else "in a store")
        self._cached: tuple[int, bytes] = (-1, b"")
        self._position = 0
        try:
            self._sealed = _OnDisk(sealed) if isinstance(sealed, Path) else sealed
            self._key = from_base64(key, size_bytes=KEY_BYTES)
            self._count = self._count_chunks()
            self._length = (self._count - 1) * CHUNK_BYTES + len(self._chunk(self._count - 1))
        except GridError:
            self.close()
            raise

    @property
    def length(self) -> int:
        """Bytes of content."""
        return self._length

    def read_at(self, offset: int, size: int) -> bytes:
        """Give content from an offset on, fewer bytes only at the end.

        Raises
        ------
        Damaged
            A chunk that holds some of it is not as it was sealed.
        """
        parts = []
        end = min(offset + size, self._length)
        while offset < end:
            index, skip = divmod(offset, CHUNK_BYTES)
            count = min(-(-end // CHUNK_BYTES) - index, _CHUNKS_AT_ONCE)
            for chunk in self._chunks(index, count):
                parts.append(chunk[skip : skip + end - offset])
                offset, skip = offset + len(parts[-1]), 0
        return b"".join(parts)

    def readinto(self, buffer: _Buffer, /) -> int:
        """Fill the buffer; short only at the end, as `zipfile` expects."""
        view = memoryview(buffer).cast("B")
        content = self.read_at(self._position, len(view))
        view[: len(content)] = content
        self._position += len(content)
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if self._sealed is not None:
            self._sealed.close()
            self._sealed = None
        super().close()

    def _count_chunks(self) -> int:
        if self._read(len(HEADER), 0) != HEADER:
            raise _no_sealed_file(self._name)
        whole, rest = divmod(self._size - len(HEADER), _SEALED_CHUNK_BYTES)
        return whole + 1 if rest else max(whole, 1)

    def _chunk(self, index: int) -> bytes:
        cached_index, content = self._cached
        if cached_index == index:
            return content
        sealed = self._read(_SEALED_CHUNK_BYTES, len(HEADER) + index * _SEALED_CHUNK_BYTES)
        content = _open_chunk(self._key, sealed, index, last=index == self._count - 1, name=self._name)
        self._cached = (index, content)
        return content

    def _chunks(self, index: int, count: int) -> Iterator[bytes]:
        """Give neighbours, by one read of what they lie in: in a store each read waits for an answer."""
        if count == 1:
            yield self._chunk(index)
            return
        sealed = self._read(count * _SEALED_CHUNK_BYTES, len(HEADER) + index * _SEALED_CHUNK_BYTES)
        for n in range(count):
            piece = sealed[n * _SEALED_CHUNK_BYTES : (n + 1) * _SEALED_CHUNK_BYTES]
            yield _open_chunk(self._key, piece, index + n, last=index + n == self._count - 1, name=self._name)

    @property
    def _size(self) -> int:
        return 0 if self._sealed is None else self._sealed.size

    def _read(self, size: int, offset: int) -> bytes:
        if self._sealed is None:
            raise ValueError("I/O operation on closed file")
        return self._sealed.read_at(offset, max(0, min(size, self._size - offset)))


class _OnDisk:
    """A sealed file of this machine."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self._fd).st_size
        except FileNotFoundError as error:
            raise NotFound(
                f"Opening sealed file {path.name} failed: it is not here. Fetch it again."
            ) from error
        except OSError as error:
            raise self._failing(error) from error

    def read_at(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self._fd, length, offset)
        except OSError as error:
            raise self._failing(error) from error

    def close(self) -> None:
        os.close(self._fd)

    def _failing(self, error: OSError) -> Unavailable:
        return Unavailable(
            f"Reading sealed file {self._name} failed ({error.strerror}): see to the disk, then try again."
        )


def open_sealed(path: Path, key: str) -> SealedReader:
    """Open a sealed file for reading; ``key`` is base64.

    Raises
    ------
    NotFound
        There is no such file.
    Damaged
        It is not a sealed file, was cut off, or its key is another one.
    """
    return SealedReader(path, key)


def unseal(pieces: Iterable[bytes], key: str, *, name: str) -> Iterator[bytes]:
    """Give the content of a sealed file that comes from its beginning to its end, cut in any way.

    What is given out is proved as far as it goes; only the end of the iterator proves that it is all.

    Raises
    ------
    Damaged
        It is not a sealed file, was altered or cut off, or its key is another one.
    """
    raw, held, index, began = from_base64(key, size_bytes=KEY_BYTES), bytearray(), 0, False
    for piece in pieces:
        held += piece
        if not began and len(held) >= len(HEADER):
            if held[: len(HEADER)] != HEADER:
                raise _no_sealed_file(name)
            del held[: len(HEADER)]
            began = True
        while began and len(held) > _SEALED_CHUNK_BYTES:  # a whole chunk may be the last one
            yield _open_chunk(raw, bytes(held[:_SEALED_CHUNK_BYTES]), index, last=False, name=name)
            del held[:_SEALED_CHUNK_BYTES]
            index += 1
    if not began:
        raise _no_sealed_file(name)
    yield _open_chunk(raw, bytes(held), index, last=True, name=name)


def chunk_nonce(index: int, *, last: bool) -> bytes:
    """Give the 12 bytes: the chunk's number in 11, then 1 for the last chunk and 0 for others."""
    return index.to_bytes(11) + bytes((last,))


def _open_chunk(key: bytes, sealed: bytes, index: int, *, last: bool, name: str) -> bytes:
    try:
        return decrypt(key, sealed, nonce=chunk_nonce(index, last=last), aad=HEADER)
    except Damaged as error:
        raise Damaged(
            f"Reading sealed file {name} failed: chunk {index} was altered, moved or cut off, or the key is another"
            " one. Fetch it again."
        ) from error


def _no_sealed_file(name: str) -> Damaged:
    return Damaged(
        f"Opening sealed file {name} failed: it does not begin as one, or a newer version wrote it."
    )


def sweep_parts(directory: Path) -> int:
    """Remove what writers that died left behind; a part whose writer lives is locked and stays."""
    removed = 0
    for part in directory.glob("*.part"):
        with suppress(FileNotFoundError), part.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            part.unlink()
            removed += 1
    return removed
