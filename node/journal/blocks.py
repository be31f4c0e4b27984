"""A block: a run of the journal's records, linked to the block before it and signed by the node; as bytes and as a row.

Decides the bytes and every check that needs nothing but them. Which records make
a block, and when, is `node.journal.chain`; README.md in this folder has the format.

A block holds its records whole. A record names a person's words by digest and keeps
none, so a person's data can be erased and the chain still verifies.

Source: RFC 8032 (Ed25519); Haber and Stornetta, "How to Time-Stamp a Digital Document" (linking).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from node.canonical import canonical_json, digest_of
from node.clock import Micros
from node.durable import put_file
from node.errors import Damaged, NotFound, Unavailable
from node.failpoints import planted
from node.journal.records import Record, record_digest
from node.keys.encoding import to_base64
from node.keys.signing import verify
from node.keys.store import KeyStore
from node.names import Digest, NodeId

VERSION = 1
PREFIX = b"meridian-block/1"
"""What the signature covers begins with this."""
NONE_BEFORE = Digest("0" * 64)
"""In the first block, in place of the digest of the block before."""
SUFFIX = ".jsonl"
_NAME = re.compile(r"([0-9]{10})" + re.escape(SUFFIX))


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is signed; its digest names the block."""

    v: int
    n: int
    """From 1, without gaps."""
    origin: NodeId
    first_seq: int
    last_seq: int
    count: int
    previous: Digest
    """Digest of block n - 1."""
    records: Digest
    """Of the lines of its records, each with its line feed."""
    at: Micros
    verify_key: str
    """Base64 of the node's Ed25519 key that signed it."""

    def to_bytes(self) -> bytes:
        """Give the canonical JSON."""
        return canonical_json(msgspec.to_builtins(self)).encode()

    @property
    def digest(self) -> Digest:
        """The block's digest: it covers the records through theirs."""
        return digest_of(self.to_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRow:
    """A block as it stands in the database."""

    n: int
    first_seq: int
    last_seq: int
    previous: Digest
    digest: Digest
    signature: str
    at: Micros
    verify_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A sealed run of records."""

    header: Header
    signature: str
    records: tuple[Record, ...]

    def to_bytes(self) -> bytes:
        """Give the file: a line of header, a line a record, a line of digest and signature."""
        seal = canonical_json({"digest": self.header.digest, "signature": self.signature}).encode()
        return self.header.to_bytes() + b"\n" + _lines(self.records) + seal + b"\n"

    @property
    def row(self) -> BlockRow:
        """What its row must say."""
        header = self.header
        return BlockRow(
            n=header.n,
            first_seq=header.first_seq,
            last_seq=header.last_seq,
            previous=header.previous,
            digest=header.digest,
            signature=self.signature,
            at=header.at,
            verify_key=header.verify_key,
        )


def make_block(keys: KeyStore, records: Sequence[Record], *, after: BlockRow | None, at: Micros) -> Block:
    """Seal records that follow a block; None begins the chain."""
    previous = NONE_BEFORE if after is None or planted("block-unchained") else after.digest
    header = Header(
        v=VERSION,
        n=1 if after is None else after.n + 1,
        origin=keys.node,
        first_seq=records[0].seq,
        last_seq=records[-1].seq,
        count=len(records),
        previous=previous,
        records=digest_of(_lines(records)),
        at=at,
        verify_key=keys.verify_key,
    )
    signature = to_base64(keys.sign(PREFIX + header.to_bytes()))
    return Block(header=header, signature=signature, records=tuple(records))


def remake_block(row: BlockRow, records: Sequence[Record], *, origin: NodeId) -> Block:
    """Give a block again from its row and the journal's records.

    Raises
    ------
    Damaged
        The row, or a record, is not what was sealed.
    """
    header = Header(
        v=VERSION,
        n=row.n,
        origin=origin,
        first_seq=row.first_seq,
        last_seq=row.last_seq,
        count=len(records),
        previous=row.previous,
        records=digest_of(_lines(records)),
        at=row.at,
        verify_key=row.verify_key,
    )
    if header.digest != row.digest:
        raise Damaged(
            f"Making block {row.n} again failed: its row, or one of the records {row.first_seq} to {row.last_seq},"
            " is not what was sealed. Run 'meridian verify'."
        )
    return Block(header=header, signature=row.signature, records=tuple(records))


def read_block(content: bytes) -> Block:
    """Read a block's file; says nothing about whose signature counts, or what should stand before it.

    Raises
    ------
    Damaged
        A byte is not what was written: the file is not the one spelling of a block whose records are whole, in
        order, and signed by the key that it names.
    """
    lines = content.split(b"\n")
    try:
        header = msgspec.json.decode(lines[0], type=Header)
        records = tuple(msgspec.json.decode(line, type=Record) for line in lines[1:-2])
        seal = msgspec.json.decode(lines[-2] if len(lines) > 2 else b"", type=_Seal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(f"Reading a block failed: it was altered or cut off ({error}).") from error
    block = Block(header=header, signature=seal.signature, records=records)
    if block.to_bytes() != content or header.records != digest_of(_lines(records)):
        raise Damaged("Reading a block failed: it was altered.")
    if header.v != VERSION:
        raise Damaged(
            f"Reading a block failed: its version is {header.v}. Install the version that wrote it."
        )
    check_signature(header, block.signature)
    _check_records(block)
    return block


def check_signature(header: Header, signature: str) -> None:
    """Return when a block was signed by the key that it names; whether that key counts is for the caller.

    Raises
    ------
    Damaged
        It was not.
    """
    verify(header.verify_key, PREFIX + header.to_bytes(), signature)


def block_path(directory: Path, n: int) -> Path:
    """Give where a block's file lies."""
    return directory / f"{n:010}{SUFFIX}"


def block_number(path: Path) -> int | None:
    """Give the number in a file's name; None when it is no block's."""
    name = _NAME.fullmatch(path.name)
    return None if name is None else int(name[1])


def read_block_file(path: Path) -> Block:
    """Read a block from its file.

    Raises
    ------
    NotFound
        It is gone.
    Damaged
        As `read_block`.
    Unavailable
        The disk does not give it.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"Reading block file {path.name} failed: it is gone.") from error
    except OSError as error:
        raise Unavailable(f"Reading block file {path.name} failed ({error.strerror}).") from error
    return read_block(content)


def write_block_file(path: Path, block: Block) -> None:
    """Put a block's file in place by rename, synced with its folder.

    Raises
    ------
    Unavailable
        The disk is full or failing; nothing has the name.
    """
    try:
        put_file(path, block.to_bytes(), synced=not planted("block-unsynced"))
    except OSError as error:
        raise Unavailable(
            f"Writing block {block.header.n} failed ({error.strerror}): see to the disk; it is tried again."
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seal:
    digest: Digest
    signature: str


def _lines(records: Sequence[Record]) -> bytes:
    return b"".join(canonical_json(msgspec.to_builtins(record)).encode() + b"\n" for record in records)


def is_whole(record: Record) -> bool:
    """Say whether a record is the one that its digest names."""
    return record.digest == record_digest(
        at=record.at,
        origin=record.origin,
        type_=record.type,
        subject=record.subject,
        version=record.version,
        cause=record.cause,
        body=record.body,
    )


def _check_records(block: Block) -> None:
    header, records = block.header, block.records
    numbers = [record.seq for record in records]
    if numbers != list(range(header.first_seq, header.last_seq + 1)) or header.count != len(records):
        raise Damaged(
            f"Reading block {header.n} failed: its records are not {header.first_seq} to {header.last_seq}."
        )
    for record in records:
        if not is_whole(record):
            raise Damaged(
                f"Reading block {header.n} failed: record {record.seq} is not what its digest says."
            )
