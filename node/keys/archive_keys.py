"""The keys under which keys of packages are wrapped, before those leave the building.

Each sealed package has a key of its own. It is kept wrapped by the node's archive key, and bound to its package.
A rotation draws a new archive key and keeps the past ones for reading, until every wrapped key was wrapped again
(`rewrap`) and a past one can be forgotten. Whoever forgets a wrapped key has destroyed the package that it opens.

Source: NIST SP 800-38F 3.1 (an authenticated cipher as key wrap); here AES-256-GCM with a random nonce.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from node.canonical import canonical_json
from node.clock import Clock, Micros
from node.errors import Conflict, Damaged, InvalidRequest, NotFound
from node.keys.aead import KEY_BYTES, NONCE_BYTES, decrypt, encrypt, new_key, new_nonce
from node.keys.encoding import from_base64, to_base64
from node.keys.private_files import (
    check_folder,
    folder_lock,
    make_private_folder,
    read_private,
    write_private,
)
from node.names import Digest

FORMAT = "meridian-archive-keys/1"
WRAPPED = "meridian-wrapped/1"
NAME = "archive-keys.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveKey:
    """One of them."""

    key_id: str
    key: str = field(repr=False)
    """Base64 of 32 bytes."""
    at: Micros
    """When it was drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    format: str
    keys: tuple[ArchiveKey, ...]
    """Oldest first; the last is current."""


class ArchiveKeys:
    """The archive keys of one node, in its key folder; read again at each use, since processes share them."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    @classmethod
    def open(cls, directory: Path, clock: Clock) -> ArchiveKeys:
        """Open the node's archive keys, drawing the first at first use.

        Raises
        ------
        Refused
            Others may read the folder or the file.
        Damaged
            The file is not one that was written here; it is never replaced by new keys.
        """
        make_private_folder(directory)
        check_folder(directory)
        with folder_lock(directory):
            try:
                _read(directory)
            except NotFound:
                _write(directory, (_new_key(clock),))
        return cls(directory, clock)

    @property
    def directory(self) -> Path:
        """The folder of keys."""
        return self._directory

    @property
    def current(self) -> ArchiveKey:
        """The one that wraps from now on."""
        return _read(self._directory)[-1]

    def get(self, key_id: str) -> ArchiveKey:
        """Give a key, current or past.

        Raises
        ------
        NotFound
            It was forgotten, or never here.
        """
        for key in _read(self._directory):
            if key.key_id == key_id:
                return key
        raise NotFound(
            f"Opening a sealed package failed: archive key {key_id} is not here. Restore {NAME} from a backup."
        )

    def rotate(self) -> ArchiveKey:
        """Draw a new key; the past ones still open what they wrapped."""
        new = _new_key(self._clock)
        with folder_lock(self._directory):
            _write(self._directory, (*_read(self._directory), new))
        return new

    def forget(self, key_id: str) -> None:
        """Destroy a past key; what it wrapped, and was not wrapped again, is lost for good.

        Raises
        ------
        Conflict
            It is the current one.
        """
        with folder_lock(self._directory):
            keys = _read(self._directory)
            if keys[-1].key_id == key_id:
                raise Conflict(
                    "Forgetting an archive key was refused: it is the current one. Rotate the key first."
                )
            _write(self._directory, tuple(key for key in keys if key.key_id != key_id))


def wrap(key: str, archive_key: ArchiveKey, *, package: Digest) -> str:
    """Wrap a package's key; the text opens for this package only."""
    nonce = new_nonce()
    content = from_base64(key, size_bytes=KEY_BYTES)
    sealed = encrypt(from_base64(archive_key.key), content, nonce=nonce, aad=_aad(package))
    return f"{archive_key.key_id}:{to_base64(nonce + sealed)}"


def unwrap(wrapped: str, archive_key: ArchiveKey, *, package: Digest) -> str:
    """Give a package's key again.

    Raises
    ------
    Damaged
        The text was altered, is another package's, or was wrapped by another key.
    """
    try:
        content = from_base64(wrapped.partition(":")[2])
    except InvalidRequest as error:
        raise Damaged(
            "Opening a sealed package failed: its wrapped key is not whole. Use its other copy."
        ) from error
    try:
        key = decrypt(
            from_base64(archive_key.key),
            content[NONCE_BYTES:],
            nonce=content[:NONCE_BYTES],
            aad=_aad(package),
        )
    except Damaged as error:
        raise Damaged(
            "Opening a sealed package failed: its wrapped key was altered or is another package's. Use its other copy."
        ) from error
    return to_base64(key)


def rewrap(wrapped: str, old: ArchiveKey, new: ArchiveKey, *, package: Digest) -> str:
    """Wrap a package's key by another archive key; the package itself stays as it lies."""
    return wrap(unwrap(wrapped, old, package=package), new, package=package)


def wrapped_by(wrapped: str) -> str:
    """Give the id of the archive key that opens a wrapped key."""
    return wrapped.partition(":")[0]


def _aad(package: Digest) -> bytes:
    return f"{WRAPPED}|{package}".encode()


def _new_key(clock: Clock) -> ArchiveKey:
    key = new_key()
    key_id = hashlib.sha256(b"meridian-archive-key/1|" + key).hexdigest()[:16]
    return ArchiveKey(key_id=key_id, key=to_base64(key), at=clock.now())


def _write(directory: Path, keys: tuple[ArchiveKey, ...]) -> None:
    content = canonical_json(msgspec.to_builtins(_File(format=FORMAT, keys=keys)))
    write_private(directory / NAME, content.encode())


def _read(directory: Path) -> tuple[ArchiveKey, ...]:
    try:
        found = msgspec.json.decode(read_private(directory / NAME), type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(
            f"Reading {NAME} failed: it is not the file that was written. Restore it from a backup."
        ) from error
    if found.format != FORMAT or not found.keys:
        raise Damaged(
            f"Reading {NAME} failed: its format is {found.format!r}. Install the version that wrote it."
        )
    return found.keys
