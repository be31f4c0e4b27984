"""Whether a backup is whole, as far as that can be seen without its key: signature, and every object against its digest."""

from __future__ import annotations

from collections.abc import Iterator

from node.errors import Damaged
from node.keys.backup_key import BackupKey
from ops.backup.bundles import Progress
from ops.backup.manifest import Signed
from ops.backup.opened import check_signer, read_table
from ops.backup.place import Place


def check_backup(
    place: Place,
    signed: Signed,
    *,
    key: BackupKey | None = None,
    progress: Progress = lambda what, count: None,
) -> Iterator[str]:
    """Give what is wrong with a backup; none means that whoever has the key can restore it.

    Parameters
    ----------
    key
        Says whose signature is right; without it, the manifest's own word is taken.
    """
    try:
        if key is not None:
            check_signer(signed, key)
        objects = read_table(place, signed)
    except Damaged as error:
        yield error.message
        return
    if signed.manifest.contents not in objects:
        yield f"Backup {signed.name[:16]}: its table does not name its contents."
    for name, object_ in objects.items():
        try:
            place.check(name)
        except Damaged as error:
            yield error.message
        progress("checked", object_.bytes)
