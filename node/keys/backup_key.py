"""The key for which backups are sealed: its public half at the node, its private half in a drawer.

A backup is made by a machine at night, so nobody types anything for it: each sealed file's key is sealed for the
public half. To read any of it takes the file from the drawer and its passphrase. That file also says whose backups they
are and by which key they are signed, so that a backup that somebody else sealed does not pass for the node's.

Source: RFC 9180 (HPKE), RFC 7914 (scrypt).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from node.canonical import canonical_json
from node.errors import Conflict, Damaged, InvalidRequest, NotFound, Refused
from node.keys.aead import KEY_BYTES
from node.keys.encoding import from_base64, to_base64
from node.keys.hpke import ENC_BYTES, hpke_key_id, hpke_public_of, new_hpke_key, open_hpke, seal_hpke
from node.keys.locked import lock, unlock
from node.keys.private_files import folder_lock, make_private_folder, read_private, write_private
from node.keys.store import KeyStore
from node.names import NodeId

FORMAT = "meridian-backup-key/1"
NAME = "backup-key.json"
"""In the node's key folder: the public half. In the drawer: the whole."""
_INFO = b"meridian/1|backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupKey:
    """The public half, and who signs what is sealed for it."""

    format: str
    node: NodeId
    public: str
    verify_key: str

    @property
    def key_id(self) -> str:
        return hpke_key_id(self.public)

    def wrap(self, key: str) -> str:
        """Seal a file's key, so that only the private half opens it."""
        enc, sealed = seal_hpke(self.public, from_base64(key, size_bytes=KEY_BYTES), info=_INFO)
        return to_base64(enc + sealed)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBackupKey:
    """The private half in use; let go of it when all is read."""

    known: BackupKey
    private: bytes = field(repr=False)

    def unwrap(self, wrapped: str) -> str:
        """Give a file's key.

        Raises
        ------
        Damaged
            It was altered, or sealed for another backup key.
        """
        try:
            raw = from_base64(wrapped)
        except InvalidRequest as error:
            raise Damaged("Opening a backup failed: the key of a file is not whole.") from error
        key = open_hpke(self.private, raw[:ENC_BYTES], ciphertext=raw[ENC_BYTES:], info=_INFO)
        return to_base64(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawer:
    """What lies in the drawer; the locked text holds the private half and says all of it again."""

    format: str
    node: NodeId
    public: str
    verify_key: str
    locked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inside:
    private: str = field(repr=False)
    node: NodeId
    verify_key: str


def draw_backup_key(keys: KeyStore, keys_folder: Path, *, drawer: Path, passphrase: str) -> BackupKey:
    """Draw a key for a node's backups from now on: its file into the drawer, its public half to the node.

    Raises
    ------
    Conflict
        The drawer holds one already: earlier backups are read by it, so it is not replaced.
    InvalidRequest
        The passphrase is short.
    """
    private = new_hpke_key()
    key = BackupKey(format=FORMAT, node=keys.node, public=hpke_public_of(private), verify_key=keys.verify_key)
    inside = _Inside(private=to_base64(private), node=key.node, verify_key=key.verify_key)
    locked = lock(_text(inside).encode(), passphrase, purpose=FORMAT)
    whole = _Drawer(locked=locked, **msgspec.to_builtins(key))
    make_private_folder(drawer)
    with folder_lock(drawer):
        if (drawer / NAME).exists():
            raise Conflict(f"Drawing a backup key was refused: {drawer} holds one. Choose another folder.")
        write_private(drawer / NAME, _text(whole).encode())
    with folder_lock(keys_folder):
        write_private(keys_folder / NAME, _text(key).encode())
    return key


def read_backup_key(folder: Path) -> BackupKey:
    """Give the public half, from the node's key folder or from the drawer; no passphrase is needed.

    Raises
    ------
    NotFound
        There is none.
    """
    try:
        key = msgspec.json.decode(read_private(folder / NAME), type=BackupKey)
    except NotFound as error:
        raise NotFound(
            f"Reading the backup key failed: there is no {NAME} in {folder}. Draw one with 'meridian backup key'."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"Reading the backup key failed: {NAME} is not whole. Take its copy.") from error
    if key.format != FORMAT:
        raise Damaged(
            f"Reading the backup key failed: format {key.format!r}. Install the version that wrote it."
        )
    return key


def open_backup_key(drawer: Path, passphrase: str) -> OpenBackupKey:
    """Open the key that reads backups.

    Raises
    ------
    Refused
        Wrong passphrase, or others may read the file.
    Damaged
        The file is not whole, or its parts do not belong together.
    """
    key = read_backup_key(drawer)
    try:
        whole = msgspec.json.decode(read_private(drawer / NAME), type=_Drawer)
    except msgspec.DecodeError as error:
        raise Refused(
            "Opening the backup key was refused: this is the node's half, which only seals. Take the file from the drawer."
        ) from error
    inside = msgspec.json.decode(unlock(whole.locked, passphrase, purpose=FORMAT), type=_Inside)
    private = from_base64(inside.private)
    said = (key.node, key.public, key.verify_key)
    if (inside.node, hpke_public_of(private), inside.verify_key) != said:
        raise Damaged("Opening the backup key failed: its parts do not belong together. Take its copy.")
    return OpenBackupKey(known=key, private=private)


def _text(value: object) -> str:
    return canonical_json(msgspec.to_builtins(value))
