"""A node as a value over a temporary folder: real database, journal and keys, no process."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from node.archive.package.requests import Patience
from node.archive.package.workers import Workers
from node.archive.stores.folder import FolderStore
from node.archive.tier import ArchiveTier
from node.bell import LANDING, Bell
from node.clock import Clock, SystemClock
from node.config import Config, NodeSection
from node.database.sqlite import SqliteDatabase
from node.journal.records import Journal
from node.journal.texts import Texts
from node.keys.store import KeyStore
from node.names import NodeId
from node.node import Node
from node.store.packs import Packs


class SparingTier(ArchiveTier):
    """An archive whose processes serve every test of this process: most tests have less coded than starting them takes.

    A fault that is planted by the environment does not reach them: a test of what they do wrong starts its own.
    """

    def _started(self, patience: Patience) -> Workers:
        return _workers(patience)


@cache
def _workers(patience: Patience) -> Workers:
    workers = Workers(2, patience)
    atexit.register(workers.close)
    return workers


def bare_archive(folder: Path, *, stores: int = 1) -> ArchiveTier:
    """Give an archive of folders."""
    made = []
    for n in range(stores):
        root = folder / f"store-{n}"
        root.mkdir(parents=True, exist_ok=True)
        made.append(FolderStore(f"store-{n}", root))
        made[-1].prepare()
    return SparingTier(folder, made, copies=stores, yields=False)


def with_tables(path: Path) -> Path:
    """Give the path, where a database with every table and no row lies if none did.

    A copy of one made by the migrations, once in a process: thousands of tests need it, and making it is half of what
    they do. The migrations themselves are tested where databases of earlier versions are opened.
    """
    if not path.exists():
        path.write_bytes(_empty_database())
    return path


@cache
def _empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "meridian.db"
        SqliteDatabase(path, SystemClock()).close()
        return path.read_bytes()


def bare_node(folder: Path, name: str, clock: Clock) -> Node:
    """Give a node whose state folder is ``folder/name``; opening it again gives the same keys and rows."""
    state = folder / name
    state.mkdir(parents=True, exist_ok=True)
    database = SqliteDatabase(with_tables(state / "meridian.db"), clock)
    return Node(
        config=Config(node=NodeSection(id=name, name=f"{name} hospital")),
        state=state,
        clock=clock,
        database=database,
        journal=Journal(database, clock, NodeId(name)),
        texts=Texts(database, clock, state / "texts"),
        packs=Packs(state / "packs", clock, roll_bytes=1 << 30, reserve_bytes=0),
        archive=bare_archive(state / "archive"),
        keys=KeyStore.open(state / "keys", NodeId(name), clock),
        bell=Bell(state / "run"),
        landed=Bell(state / "run" / LANDING),
    )


def two_stores(folder: Path, clock: Clock) -> Node:
    """Give a node called alpha whose packages go to folders beside its own."""
    plain = bare_node(folder, "alpha", clock)
    return replace(plain, archive=bare_archive(folder / "archive", stores=2))


@contextmanager
def open_archive(folder: Path, clock: Clock) -> Iterator[Node]:
    """Give such a node for as long as it is used."""
    node = two_stores(folder, clock)
    try:
        yield node
    finally:
        node.close()
