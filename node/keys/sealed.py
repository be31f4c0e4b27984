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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from node.errors import Damaged, GridError, NotFound, Unavailable
from node.failpoints import planted
from node.journal.texts import sync_directory
from node.keys.aead import KEY_BYTES, TAG_BYTES, decrypt, encrypt, new_key
from node.keys.encoding import from_base64, to_base64
from node.names import Digest

CHUNK_BYTES = 1 << 20
_SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
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


class SealedReader(io.RawIOBase):
    """The content of a sealed file; seekable, and safe to `read_at` from several threads."""

    def __init__(self, path: Path, key: str) -> None:
        self._fd = -1
        self._name = path.name
        self._key = from_base64(key, size_bytes=KEY_BYTES)
        self._cached: tuple[int, bytes] = (-1, b"")
        self._position = 0
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._count = self._count_chunks()
            self._length = (self._count - 1) * CHUNK_BYTES + len(self._chunk(self._count - 1))
        except FileNotFoundError as error:
            raise NotFound(
                f"Opening sealed file {path.name} failed: it is not here. Fetch it again."
            ) from error
        except OSError as error:
            self.close()
            raise Unavailable(
                f"Opening sealed file {path.name} failed ({error.strerror}): see to the disk, then try again."
            ) from error
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
            piece = self._chunk(index)[skip : skip + end - offset]
            parts.append(piece)
            offset += len(piece)
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
        if not self.closed and self._fd >= 0:
            os.close(self._fd)
        super().close()

    def _count_chunks(self) -> int:
        if self._pread(len(HEADER), 0) != HEADER:
            raise Damaged(
                f"Opening sealed file {self._name} failed: it does not begin as one, or a newer version wrote it."
            )
        whole, rest = divmod(os.fstat(self._fd).st_size - len(HEADER), _SEALED_CHUNK_BYTES)
        return whole + 1 if rest else max(whole, 1)

    def _chunk(self, index: int) -> bytes:
        cached_index, content = self._cached
        if cached_index == index:
            return content
        sealed = self._pread(_SEALED_CHUNK_BYTES, len(HEADER) + index * _SEALED_CHUNK_BYTES)
        try:
            nonce = chunk_nonce(index, last=index == self._count - 1)
            content = decrypt(self._key, sealed, nonce=nonce, aad=HEADER)
        except Damaged as error:
            raise Damaged(
                f"Reading sealed file {self._name} failed: chunk {index} of {self._count} was altered, moved or"
                " cut off, or the key is another one. Fetch it again."
            ) from error
        self._cached = (index, content)
        return content

    def _pread(self, size: int, offset: int) -> bytes:
        try:
            return os.pread(self._fd, size, offset)
        except OSError as error:
            raise Unavailable(
                f"Reading sealed file {self._name} failed ({error.strerror}): see to the disk, then try again."
            ) from error


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


def chunk_nonce(index: int, *, last: bool) -> bytes:
    """Give the 12 bytes: the chunk's number in 11, then 1 for the last chunk and 0 for others."""
    return index.to_bytes(11) + bytes((last,))


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
