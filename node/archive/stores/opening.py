"""Archive stores made from what the configuration says of them."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from node.archive.stores.credentials import read_credentials
from node.archive.stores.described import DescribedStore, check_described
from node.archive.stores.encrypted import EncryptedStore
from node.archive.stores.folder import FolderStore
from node.archive.stores.port import ArchiveStore
from node.archive.stores.s3 import S3Store
from node.archive.stores.slow import SlowStore
from node.clock import Clock
from node.failpoints import planted
from node.keys.archive_keys import ArchiveKeys


def open_store(described: DescribedStore, keys_folder: Path, clock: Clock) -> ArchiveStore:
    """Make the adapter of a store. Nothing is asked of the store yet: it may be away.

    Raises
    ------
    InvalidRequest
        What is said of it cannot work or is not safe.
    NotFound
        Its credentials are not in the key folder.
    Refused
        Others may read what lies there.
    """
    store: ArchiveStore = _plain(described, keys_folder)
    if described.slow_minutes:
        store = SlowStore(store, slow_minutes=described.slow_minutes, clock=clock)
    if described.leaves and not planted("leaves-unsealed"):
        store = EncryptedStore(store, ArchiveKeys.open(keys_folder, clock))
    return store


def prepare_store(described: DescribedStore, keys_folder: Path) -> None:
    """Write the marker by which a store is known from now on, once; the same again changes nothing.

    Raises
    ------
    Conflict
        Another store lies there.
    NotFound
        There is no such folder, or there are no credentials.
    Unavailable
        It may only be read, or is failing.
    """
    store = _plain(described, keys_folder)
    try:
        store.prepare()
    finally:
        store.close()


def _plain(described: DescribedStore, keys_folder: Path) -> FolderStore | S3Store:
    check_described(described)
    match described.kind:
        case "folder":
            return FolderStore(described.name, Path(described.path))
        case "s3":
            return S3Store(described, read_credentials(keys_folder, described.name))
        case never:
            assert_never(never)
