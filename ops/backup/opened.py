"""A backup with its lists read: for whoever restores it or looks whether it is whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from node.errors import Damaged
from node.keys.backup_key import BackupKey, OpenBackupKey
from node.keys.sealed import SealedReader
from node.names import Digest
from ops.backup.manifest import Contents, Object, Signed, Table, decoded
from ops.backup.place import Place

_LISTED_AT_ONCE = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedBackup:
    """A backup whose contents are known; its objects are still at their place."""

    signed: Signed
    objects: dict[Digest, Object]
    contents: Contents


def read_table(place: Place, signed: Signed) -> dict[Digest, Object]:
    """Give the sealed objects that a backup is made of; raises `Damaged`."""
    table = decoded(place.read(signed.manifest.table), Table, "table")
    return {one.name: one for one in table.objects}


def check_signer(signed: Signed, key: BackupKey) -> None:
    """Refuse a backup that the node of this key did not sign.

    Raises
    ------
    Damaged
        Somebody else made it, for whatever end.
    """
    manifest = signed.manifest
    if (manifest.node, manifest.verify_key) != (key.node, key.verify_key):
        raise Damaged(
            f"Reading a backup failed: it is not signed by {key.node}, whose backup key this is. Look who writes to its place."
        )


def open_backup(place: Place, signed: Signed, *, key: OpenBackupKey, work: Path) -> OpenedBackup:
    """Read both lists of a backup.

    Parameters
    ----------
    work
        A folder where an object may lie meanwhile.

    Raises
    ------
    Damaged
        A list was altered or is gone, or was sealed for another key, or the backup is not the node's.
    """
    check_signer(signed, key.known)
    objects = read_table(place, signed)
    name = signed.manifest.contents
    if name not in objects:
        raise Damaged(
            "Reading a backup failed: its table does not name its contents. Take an earlier backup."
        )
    sealed = work / "contents"
    place.fetch(name, sealed)
    with SealedReader(sealed, key.unwrap(objects[name].key)) as reader:
        raw = b"".join(reader.read_at(at, _LISTED_AT_ONCE) for at in range(0, reader.length, _LISTED_AT_ONCE))
    sealed.unlink()
    return OpenedBackup(signed=signed, objects=objects, contents=decoded(raw, Contents, "list of files"))
