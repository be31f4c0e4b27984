"""Looking at a pack through a file descriptor, one `pread` at a time.

Every offset and length is held against the size of the file. What is found is
said as it is; whether it may be believed is for `packs` (a live reader) and
`recovery` (after a crash) to decide.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from node.errors import Unavailable
from node.store.record import (
    HEADER_BYTES,
    MARK_BYTES,
    TRAILER_BYTES,
    Header,
    belongs,
    is_mark,
    read_header,
)

CHUNK_BYTES = 1 << 20
_FIRST_LOOK_BYTES = 4096
"""Holds the head of nearly every record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A record whose first and last bytes lie within the file; its data set was not read."""

    offset: int
    header: Header
    head: bytes
    """Header, facts and file meta."""
    trailing: bytes
    marked: bool

    @property
    def facts(self) -> bytes:
        return self.head[HEADER_BYTES : HEADER_BYTES + self.header.facts_bytes]

    @property
    def data_offset(self) -> int:
        return self.offset + self.header.head_bytes

    @property
    def next_offset(self) -> int:
        return self.offset + self.header.marked_bytes

    @property
    def agrees(self) -> bool:
        """Whether head and trailer belong together."""
        return belongs(self.head, self.trailing)


def look(descriptor: int, offset: int, size: int) -> Found | None:
    """Look at the record at an offset; None when no whole one begins there.

    Parameters
    ----------
    size
        Of the file in bytes, taken before this call.

    Raises
    ------
    Foreign
        A newer version wrote it.
    """
    first = read_at(descriptor, offset, _FIRST_LOOK_BYTES)
    header = read_header(first)
    if header is None or offset + header.record_bytes > size:
        return None
    head = first[: header.head_bytes]
    if len(head) < header.head_bytes:
        head += read_at(descriptor, offset + len(head), header.head_bytes - len(head))
    last = read_at(descriptor, offset + header.record_bytes - TRAILER_BYTES, TRAILER_BYTES + MARK_BYTES)
    trailing = last[:TRAILER_BYTES]
    return Found(
        offset=offset,
        header=header,
        head=head,
        trailing=trailing,
        marked=is_mark(last[TRAILER_BYTES:], head, trailing),
    )


def digest_at(descriptor: int, offset: int, size: int) -> bytes:
    """Give the SHA-256 of a stretch of a file, in constant memory."""
    digest = hashlib.sha256()
    for chunk in chunks_at(descriptor, offset, size):
        digest.update(chunk)
    return digest.digest()


def chunks_at(descriptor: int, offset: int, size: int) -> Iterator[bytes]:
    """Give a stretch of a file by the MiB; ends early where the file does."""
    end = offset + size
    while offset < end and (chunk := read_at(descriptor, offset, min(CHUNK_BYTES, end - offset))):
        yield chunk
        offset += len(chunk)


def read_at(descriptor: int, offset: int, size: int) -> bytes:
    """Read at an offset; shorter only where the file ends.

    Raises
    ------
    Unavailable
        The disk does not give the bytes.
    """
    parts: list[bytes] = []
    try:
        while size > 0 and (part := os.pread(descriptor, size, offset)):
            parts.append(part)
            offset += len(part)
            size -= len(part)
    except OSError as error:
        raise Unavailable(
            f"Reading a pack at byte {offset} failed ({error.strerror}). Check the disk, then try again."
        ) from error
    return parts[0] if len(parts) == 1 else b"".join(parts)
