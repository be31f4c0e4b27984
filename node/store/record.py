"""The bytes of one pack record: what is written, and what a reader may believe.

Pure: bytes in, values out. What the JSON of an instance says is `packs`'; where
a record stands and when it is synced is `pack_file`'s; what a crash left is
`recovery`'s. README.md in this folder has the layout.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

import msgspec

from node.canonical import canonical_json
from node.clock import Micros
from node.errors import Damaged, InvalidRequest
from node.names import Digest

MAGIC = b"MERIDREC"
VERSION = 1
ENCRYPTED = 0x0001
"""Reserved for records encrypted at rest: neither written nor read by this version."""
END_OF_PACK = 0x0002
"""The pack's last record: it has no data set and says what stands before it."""

HEADER_BYTES = 32
DIGEST_BYTES = 32
TRAILER_BYTES = 2 * DIGEST_BYTES
MARK_BYTES = 8
MAX_FACTS_BYTES = 1 << 20
MAX_META_BYTES = 1 << 20

_HEADER = struct.Struct("<8sHHLLLQ")
_MARK = b"MRDN"


class Foreign(InvalidRequest):
    """A newer version wrote a record: it is neither read nor cut off here. The message says what it is."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first 32 bytes of a record: its flags and the lengths of its parts."""

    facts_bytes: int
    meta_bytes: int
    data_bytes: int
    flags: int = 0

    @property
    def is_end(self) -> bool:
        return bool(self.flags & END_OF_PACK)

    @property
    def head_bytes(self) -> int:
        """Header, facts and file meta: all that stands before the data set."""
        return HEADER_BYTES + self.facts_bytes + self.meta_bytes

    @property
    def record_bytes(self) -> int:
        """The record up to its end mark, which is not counted."""
        return self.head_bytes + self.data_bytes + TRAILER_BYTES

    @property
    def marked_bytes(self) -> int:
        """The record with its end mark: where the next one begins."""
        return self.record_bytes + MARK_BYTES

    def encode(self) -> bytes:
        return _HEADER.pack(MAGIC, VERSION, self.flags, self.facts_bytes, self.meta_bytes, 0, self.data_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A pack whose records another holds now, one behind the other as they were."""

    pack: str
    offset: int
    """Where its first record stands in the other; what stood at ``n`` stands at ``offset + n``."""
    size_bytes: int
    """Of its records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What an end record says a whole pack holds before it."""

    records: int
    size_bytes: int
    """Of all that stands before it."""
    closed_at: Micros
    merged: tuple[Source, ...] = ()
    """The packs that a merged pack took the place of, and those whose place they had taken; left out when empty."""

    def encode(self) -> bytes:
        entry = msgspec.to_builtins(self)
        if not self.merged:
            del entry["merged"]
        return canonical_json(entry).encode()


def read_header(raw: bytes) -> Header | None:
    """Read a header; None when these bytes are not one.

    Raises
    ------
    Foreign
        It is one, of a version or with flags that this version does not know.
    """
    if len(raw) < HEADER_BYTES or not raw.startswith(MAGIC):
        return None
    _, version, flags, facts_bytes, meta_bytes, reserved, data_bytes = _HEADER.unpack_from(raw)
    if version != VERSION or flags & ~END_OF_PACK:
        if version == 0:
            return None  # zeros where a crash kept the rest from coming
        raise Foreign(
            f"its version is {version} and its flags are {flags:#06x}. Install the version of Meridian that wrote it."
        )
    if reserved or facts_bytes > MAX_FACTS_BYTES or meta_bytes > MAX_META_BYTES:
        return None
    return Header(facts_bytes=facts_bytes, meta_bytes=meta_bytes, data_bytes=data_bytes, flags=flags)


def read_end(facts: bytes) -> End:
    """Read what an end record says.

    Raises
    ------
    Damaged
        It is not the JSON of one.
    """
    try:
        return msgspec.json.decode(facts, type=End)
    except msgspec.MsgspecError as error:
        raise Damaged(f"Reading the end of a pack failed ({error}): run 'meridian verify'.") from error


def trailer(head: bytes, data_digest: bytes) -> bytes:
    """Give what follows the data set: its SHA-256, then one over the head and that.

    So a byte that changes anywhere in a record disagrees with one of the two.

    Parameters
    ----------
    head
        Header, facts and file meta, as written.
    """
    return data_digest + hashlib.sha256(head + data_digest).digest()


def end_mark(trailing: bytes) -> bytes:
    """Give the mark that says a record was synced; no other record's can stand in for it."""
    return _MARK + trailing[DIGEST_BYTES : DIGEST_BYTES + MARK_BYTES - len(_MARK)]


def is_mark(mark: bytes, head: bytes, trailing: bytes) -> bool:
    """Say whether a record was marked, even when a byte of its head or of its trailer has changed since."""
    return mark in (end_mark(trailing), end_mark(trailer(head, trailing[:DIGEST_BYTES])))


def belongs(head: bytes, trailing: bytes) -> bool:
    """Say whether a trailer was written for this head."""
    return len(trailing) == TRAILER_BYTES and trailer(head, trailing[:DIGEST_BYTES]) == trailing


def data_digest(trailing: bytes) -> Digest:
    """Give the digest of the data set as a trailer has it."""
    return Digest(trailing[:DIGEST_BYTES].hex())


def encode_end(end: End) -> tuple[bytes, bytes]:
    """Give an end record, and the mark to write once it is synced."""
    facts = end.encode()
    head = Header(facts_bytes=len(facts), meta_bytes=0, data_bytes=0, flags=END_OF_PACK).encode() + facts
    trailing = trailer(head, hashlib.sha256().digest())
    return head + trailing, end_mark(trailing)
