"""Places of backups made from what a person types: a folder, or a bucket as ``s3+https://HOST:PORT/BUCKET/PREFIX``."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from node.archive.stores.credentials import read_credentials
from node.archive.stores.described import DescribedStore, check_described
from node.archive.stores.folder import FolderStore
from node.archive.stores.port import MARKER
from node.archive.stores.s3 import S3Store
from node.errors import InvalidRequest, NotFound, Unavailable
from ops.backup.place import Place

OBJECTS, MANIFESTS = "objects", "manifests"
CREDENTIALS = "backup"
"""The name of the credentials' file, ``stores/backup.json`` in a key folder."""
_BUCKETS = ("s3+https", "s3+http")


def label_of(where: str) -> str:
    """Give the name by which a place is remembered."""
    return where.rstrip("/") if urlsplit(where).scheme in _BUCKETS else str(Path(where).resolve())


def open_place(where: str, *, begin: bool = False, keys_folder: Path | None = None) -> Place:
    """Open the place that a person named.

    Parameters
    ----------
    begin
        Make it one where it is none yet. Never where backups were put before: a disk that is not mounted looks empty.
    keys_folder
        Has the credentials of a bucket.

    Raises
    ------
    NotFound
        There is no such folder, or there are no credentials.
    Unavailable
        It holds no backups, or does not answer.
    InvalidRequest
        The words name no place.
    """
    if urlsplit(where).scheme not in _BUCKETS:
        return open_folder_place(Path(where), begin=begin)
    if keys_folder is None:
        raise InvalidRequest(
            "Opening backups was refused: a bucket needs credentials. Say in which folder they are."
        )
    credentials = read_credentials(keys_folder, CREDENTIALS)
    stores = [S3Store(described, credentials) for described in _described(where)]
    for store in stores if begin else ():
        store.prepare()
    return Place(label=label_of(where), objects=stores[0], manifests=stores[1])


def open_folder_place(root: Path, *, begin: bool = False) -> Place:
    """Open a folder of backups; see `open_place`."""
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
    return Place(label=label_of(str(root)), objects=stores[0], manifests=stores[1])


def _described(where: str) -> list[DescribedStore]:
    address = urlsplit(where)
    bucket, _, prefix = address.path.strip("/").partition("/")
    region = parse_qs(address.query).get("region", ["us-east-1"])[0]
    found = [
        DescribedStore(
            name=f"backup-{part}",
            kind="s3",
            endpoint=f"{address.scheme.removeprefix('s3+')}://{address.netloc}",
            bucket=bucket,
            prefix=f"{prefix}/{part}/" if prefix else f"{part}/",
            region=region,
        )
        for part in (OBJECTS, MANIFESTS)
    ]
    for one in found:
        check_described(one)
    return found
