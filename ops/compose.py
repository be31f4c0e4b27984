"""Put one node together: the only module that names concrete adapters.

Every process composes its own `Node` over the same state folder; what they
share is the database, the packs and a folder of bells.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from node.archive.stores.folder import FolderStore
from node.archive.stores.opening import open_store
from node.archive.stores.port import ArchiveStore
from node.archive.tier import ArchiveTier
from node.bell import LANDING, Bell
from node.canonical import digest_of
from node.clock import Clock, SystemClock
from node.config import Config, load_config
from node.database.port import Database
from node.errors import InvalidRequest
from node.journal.records import Journal
from node.journal.texts import Texts
from node.keys.store import KeyStore
from node.node import Node
from node.store.packs import Packs
from ops.alone import refuse_while_rebuilt

MEGABYTE = 1 << 20
EMBEDDED_STORE = "embedded"


def compose_node(state: Path, *, process: str = "tool", clock: Clock | None = None) -> Node:
    """Open a node's state folder as a `Node`, for one of its processes or a tool beside them.

    Raises
    ------
    InvalidRequest
        The configuration, or the folder, cannot be used; says what to change.
    Conflict
        The index is being rebuilt: what is written now would be in the old one.
    """
    config = load_config(state)
    refuse_while_rebuilt(state)
    time = clock or SystemClock()
    packs = open_packs(state, config, process=process, clock=time)
    return _node(state, config, database=open_database(state, time), packs=packs, clock=time)


def compose_aside(state: Path, database: Database, clock: Clock) -> Node:
    """Give the same node over another database, for whoever writes one anew beside the first."""
    config = load_config(state)
    packs = open_packs(state, config, process="tool", clock=clock)
    return _node(state, config, database=database, packs=packs, clock=clock)


def compose_reading(state: Path, config: Config, packs: Packs, clock: Clock) -> Node:
    """Give the same node to a process that only reads the database, and may meet none."""
    from node.database.sqlite_reading import SqliteReader

    return _node(state, config, database=SqliteReader(database_path(state)), packs=packs, clock=clock)


def _node(state: Path, config: Config, *, database: Database, packs: Packs, clock: Clock) -> Node:
    run = run_directory(state)
    return Node(
        config=config,
        state=state,
        clock=clock,
        database=database,
        journal=Journal(database, clock, config.id),
        texts=Texts(database, clock, state / "texts"),
        packs=packs,
        archive=open_archive(state, config, clock),
        keys=open_keys(state, config, clock),
        bell=Bell(run),
        landed=Bell(run / LANDING),
    )


def open_database(state: Path, clock: Clock) -> Database:
    """SQLite in one file; a replicated store takes this place for more machines."""
    from node.database.sqlite import SqliteDatabase

    return SqliteDatabase(database_path(state), clock)


def database_path(state: Path) -> Path:
    """Where the embedded database lies."""
    return state / "meridian.db"


def run_directory(state: Path) -> Path:
    """A short folder for sockets, one per state folder: a Unix socket's path holds 107 bytes.

    Raises
    ------
    InvalidRequest
        Somebody else owns it.
    """
    directory = Path(tempfile.gettempdir()) / f"meridian-{os.getuid()}-{digest_of(str(state.resolve()))[:12]}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise InvalidRequest(
            f"Using {directory} was refused: another user owns it. Remove it, then start again."
        )
    return directory


def open_packs(state: Path, config: Config, *, process: str, clock: Clock) -> Packs:
    """Files on this machine; each kind of process writes, and recovers, its own."""
    storage = config.storage
    return Packs(
        state / "packs",
        clock,
        roll_bytes=storage.roll_mb * MEGABYTE,
        reserve_bytes=storage.reserve_mb * MEGABYTE,
        writer=process,
    )


def open_archive(state: Path, config: Config, clock: Clock) -> ArchiveTier:
    """The stores of the configuration; without any, a folder of the state folder."""
    folder, archive = state / "archive", config.archive
    stores: list[ArchiveStore] = [open_store(described, state / "keys", clock) for described in archive.store]
    if not stores:
        root = folder / "store"
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = FolderStore(EMBEDDED_STORE, root)
        store.prepare()
        stores.append(store)
    return ArchiveTier(
        folder, stores, copies=archive.wanted, processes=archive.processes, yields=archive.yields
    )


def open_keys(state: Path, config: Config, clock: Clock) -> KeyStore:
    """Files of mode 0600 in a folder of mode 0700."""
    return KeyStore.open(state / "keys", config.id, clock)
