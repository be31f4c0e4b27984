"""Places of backups made from what a person types."""

from __future__ import annotations

from pathlib import Path

from node.archive.stores.folder import FolderStore
from node.archive.stores.port import MARKER
from node.errors import NotFound, Unavailable
from ops.backup.place import Place

OBJECTS, MANIFESTS = "objects", "manifests"


def open_folder_place(root: Path, *, begin: bool = False) -> Place:
    """Open a folder of backups.

    Parameters
    ----------
    begin
        Make it one where it is none yet. Never where backups were put before: a disk that is not mounted looks empty.

    Raises
    ------
    NotFound
        There is no such folder: it is not made, since it may be a mount point.
    Unavailable
        It holds no backups.
    """
    if not root.is_dir():
        raise NotFound(f"Opening backups failed: {root} is no folder. Make or mount it.")
    stores = []
    for part in (OBJECTS, MANIFESTS):
        folder = root / part
        store = FolderStore(f"backup-{part}", folder)
        if begin:
            folder.mkdir(mode=0o700, exist_ok=True)
            store.prepare()
        elif not (folder / MARKER).exists():
            raise Unavailable(f"Opening backups failed: {root} holds none. Mount the disk that does.")
        stores.append(store)
    return Place(label=str(root.resolve()), objects=stores[0], manifests=stores[1])


def open_place(where: str, *, begin: bool = False) -> Place:
    """Open the place that a person named."""
    return open_folder_place(Path(where), begin=begin)
