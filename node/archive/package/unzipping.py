"""The bytes of a member as they were before it was compressed: the next ones, or those of one frame.

Source: RFC 1951; ZIP APPNOTE 4.4.5.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable

from isal.isal_zlib import crc32

from node.archive.package.manifest import Place
from node.archive.package.source import Source, as_damaged, cut_off, read_into
from node.archive.package.stream import BLOCK_BYTES, BLOCK_HEAD_BYTES, DEFLATED, STORED
from node.dicom.part10 import PREAMBLE
from node.errors import Damaged
from node.names import Digest

CHUNK_BYTES = 1 << 20


class Unzipped:
    """Gives the next bytes of a member as unzipped, no more of it in memory than a chunk."""

    def __init__(self, source: Source, at: int, method: int, size: int, stored: int) -> None:
        if method not in (STORED, DEFLATED):
            raise Damaged(
                "Reading a package failed: a member is compressed by an unknown method. Use its other copy."
            )
        self._source, self._at, self._end = source, at, at + stored
        self._left = size
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if method == DEFLATED else None
        self._ahead = b""

    def __call__(self, length: int) -> bytes:
        """Give as many bytes, fewer at the end only.

        Raises
        ------
        Damaged
            The member is cut off, or does not inflate.
        """
        length = min(length, self._left)
        found = [self._ahead[:length]]
        self._ahead = self._ahead[length:]
        missing = length - len(found[0])
        while missing:
            chunk = self._next(missing)
            found.append(chunk[:missing])
            self._ahead = chunk[missing:]
            missing -= len(found[-1])
        self._left -= length
        return b"".join(found)

    def _next(self, wanted: int) -> bytes:
        if self._inflate is None:
            chunk = self._stored(wanted)
        else:
            with as_damaged("a member does not inflate"):
                ahead = self._inflate.unconsumed_tail or self._stored(CHUNK_BYTES)
                chunk = self._inflate.decompress(ahead, CHUNK_BYTES)
                if not chunk and self._inflate.eof:
                    raise cut_off()
                if not chunk and not ahead:
                    raise cut_off()
                return chunk
        if not chunk:
            raise cut_off()
        return chunk

    def _stored(self, wanted: int) -> bytes:
        length = min(wanted, self._end - self._at)
        chunk = self._source.read_at(self._at, length)
        self._at += length
        return chunk


class Hashed:
    """Gives what another gives, and the digest of all of it."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._hash = hashlib.sha256()

    def __call__(self, length: int) -> bytes:
        raw = self._read(length)
        self._hash.update(raw)
        return raw

    @property
    def digest(self) -> Digest:
        return Digest(self._hash.hexdigest())


class OriginalDigests:
    """Digests of an original as it comes back in chunks: of its file meta, and of its data set."""

    def __init__(self, meta_bytes: int) -> None:
        self._left = [len(PREAMBLE), meta_bytes]
        self._meta, self._data_set = hashlib.sha256(), hashlib.sha256()

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        skipped = min(self._left[0], len(chunk))
        meta = min(self._left[1], len(chunk) - skipped)
        self._meta.update(chunk[skipped : skipped + meta])
        self._data_set.update(chunk[skipped + meta :])
        self._left = [self._left[0] - skipped, self._left[1] - meta]

    @property
    def meta(self) -> Digest:
        return Digest(self._meta.hexdigest())

    @property
    def data_set(self) -> Digest:
        return Digest(self._data_set.hexdigest())


def read_place(source: Source, place: Place) -> bytes | bytearray:
    """Give a frame from where it lies.

    Raises
    ------
    Damaged
        It is not what was written.
    """
    raw: bytes | bytearray
    if place.how == 0:
        raw = source.read_at(place.at, place.size)
    elif place.how == 1:
        raw = _past_heads(source, place)
    else:
        with as_damaged("a frame does not inflate"):
            raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(
                source.read_at(place.at, place.how), place.size
            )
    if len(raw) != place.size or crc32(raw) != place.crc:
        raise Damaged("Reading a frame failed: it is not what was written. Use the other copy.")
    return raw


def _past_heads(source: Source, place: Place) -> bytes | bytearray:
    if place.size <= BLOCK_BYTES:
        return source.read_at(place.at + BLOCK_HEAD_BYTES, place.size)
    found, head = bytearray(place.size), bytearray(BLOCK_HEAD_BYTES)
    view = memoryview(found)
    blocks: list[bytearray | memoryview] = []
    for at in range(0, place.size, BLOCK_BYTES):
        blocks += (head, view[at : at + BLOCK_BYTES])
    read_into(source, place.at, blocks)
    return found
