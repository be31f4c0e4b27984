"""What a backup says of itself: a signed manifest of a few lines, and the two lists that it names.

The *table* lists the sealed objects, each with its key sealed for the backup key. It is in clear, so that whoever keeps
backups can look after them. The *contents* say which file is made of which pieces; they are sealed, since the names of
texts are digests of what people wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from node.canonical import canonical_json, digest_of
from node.clock import Micros
from node.errors import Damaged
from node.keys.encoding import to_base64
from node.keys.signing import verify
from node.keys.store import KeyStore
from node.names import Digest, NodeId

FORMAT = "meridian-backup/1"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One backup."""

    format: str
    node: NodeId
    at: Micros
    """The moment whose state it is: whatever was answered before is in it."""
    database: Digest
    """Of the database's file."""
    table: Digest
    contents: Digest
    """Of the sealed object; its key is in the table."""
    files: int
    bytes: int
    """Of all files."""
    parent: str
    """The manifest before it at the same place; empty for the first."""
    verify_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A manifest as it lies at its place."""

    name: Digest
    manifest: Manifest
    body: str
    signature: str


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed file of the backup, by the digest of its bytes."""

    name: Digest
    bytes: int
    key: str
    """Its key, sealed for the backup key."""


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """A run of a file, by the digest of its content."""

    digest: Digest
    bytes: int


class Spot(msgspec.Struct, frozen=True, array_like=True):
    """Where a piece lies: in which object, and where in its content."""

    object: Digest
    offset: int
    bytes: int


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the state folder."""

    path: str
    bytes: int
    pieces: tuple[Piece, ...]
    mode: int = 0o600
    marked: int = 0
    """Of a pack: up to where its records are marked."""
    ended: bool = False
    """Of a pack: nothing more will come."""
    tail: str = ""
    """Of a pack: digest of its last bytes, by which it is known again."""
    stamp: tuple[int, ...] = ()
    """What the file system said of it; only this machine cares."""


class PackageEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A package that lies in an archive store, and is not copied."""

    digest: Digest
    store: str
    stored: Digest
    bytes: int


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """Which file is made of what."""

    format: str
    files: tuple[FileEntry, ...]
    pieces: dict[Digest, Spot]
    packages: tuple[PackageEntry, ...]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed objects that a backup is made of."""

    format: str
    objects: tuple[Object, ...]


def sign_manifest(keys: KeyStore, manifest: Manifest) -> bytes:
    """Give a manifest as it is kept."""
    body = canonical_json(msgspec.to_builtins(manifest))
    signature = to_base64(keys.sign(_signed_bytes(body)))
    return canonical_json({"body": body, "signature": signature}).encode()


def read_manifest(raw: bytes) -> Signed:
    """Read a manifest; whether its signer may be believed is another question.

    Raises
    ------
    Damaged
        It is not one, or not as it was signed.
    """
    outer = decoded(raw, _Outer, "manifest")
    manifest = decoded(outer.body.encode(), Manifest, "manifest")
    if manifest.format != FORMAT:
        raise Damaged(
            f"Reading a backup failed: format {manifest.format!r}. Install the version that wrote it."
        )
    try:
        verify(manifest.verify_key, _signed_bytes(outer.body), outer.signature)
    except Damaged as error:
        raise Damaged("Reading a backup failed: its manifest is not as it was signed.") from error
    return Signed(name=digest_of(raw), manifest=manifest, body=outer.body, signature=outer.signature)


def encoded(value: Contents | Table) -> bytes:
    """Give a list as it is kept."""
    return msgspec.json.encode(value, order="sorted")


def decoded(raw: bytes, shape: type[T], what: str) -> T:
    """Read JSON of a backup; raises `Damaged`."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"Reading a backup failed: its {what} is not whole. Take an earlier backup.") from error


@dataclass(frozen=True, slots=True)
class _Outer:
    body: str
    signature: str


def _signed_bytes(body: str) -> bytes:
    return f"{FORMAT}{body}".encode()
