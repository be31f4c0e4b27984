"""What lies beside a sealed package: its name and its wrapped key, sealed under the node's archive key.

The store learns neither: a package's name is the digest of its content, and would confirm a guess of it. Whoever has the
archive key, and has lost the rows, opens the package by its note.

Source: NIST SP 800-38D (GCM); the note's plaintext is canonical JSON.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from node.canonical import canonical_json
from node.errors import Damaged, InvalidRequest
from node.keys.aead import NONCE_BYTES, decrypt, encrypt, new_nonce
from node.keys.archive_keys import ArchiveKey
from node.keys.encoding import from_base64, to_base64
from node.names import Digest

FORMAT = "meridian-package-note/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    format: str
    key_id: str
    sealed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    package: Digest
    wrapped: str


def seal_note(package: Digest, wrapped: str, key: ArchiveKey, *, stored_name: Digest) -> bytes:
    """Write the note of a package that lies under a name; it opens for that name only."""
    nonce = new_nonce()
    said = canonical_json({"package": package, "wrapped": wrapped}).encode()
    sealed = encrypt(from_base64(key.key), said, nonce=nonce, aad=_aad(stored_name))
    note = _Note(format=FORMAT, key_id=key.key_id, sealed=to_base64(nonce + sealed))
    return canonical_json(msgspec.to_builtins(note)).encode() + b"\n"


def open_note(note: bytes, key: ArchiveKey, *, stored_name: Digest) -> tuple[Digest, str]:
    """Give a package's name and its wrapped key.

    Raises
    ------
    Damaged
        The note was altered, lies beside another package, or was sealed under another key.
    """
    try:
        content = from_base64(_read(note).sealed)
        said = decrypt(
            from_base64(key.key), content[NONCE_BYTES:], nonce=content[:NONCE_BYTES], aad=_aad(stored_name)
        )
        found = msgspec.json.decode(said, type=_Said)
    except (InvalidRequest, msgspec.DecodeError) as error:
        raise _damaged() from error
    return found.package, found.wrapped


def noted_by(note: bytes) -> str:
    """Give the id of the archive key that opens a note; empty when it is none."""
    try:
        return _read(note).key_id
    except Damaged:
        return ""


def _read(note: bytes) -> _Note:
    try:
        found = msgspec.json.decode(note, type=_Note)
    except msgspec.DecodeError as error:
        raise _damaged() from error
    if found.format != FORMAT:
        raise _damaged()
    return found


def _aad(stored_name: Digest) -> bytes:
    return f"{FORMAT}|{stored_name}".encode()


def _damaged() -> Damaged:
    return Damaged("Reading the key beside a sealed package failed: it was altered. Use its other copy.")
