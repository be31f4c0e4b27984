"""A node as a value over a temporary folder: real database, journal and keys, no process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from node.archive.stores.folder import FolderStore
from node.archive.tier import ArchiveTier
from node.bell import LANDING, Bell
from node.clock import Clock
from node.config import Config, NodeSection
from node.database.sqlite import SqliteDatabase
from node.journal.records import Journal
from node.journal.texts import Texts
from node.keys.store import KeyStore
from node.names import NodeId
from node.node import Node
from node.store.packs import Packs


def bare_archive(folder: Path, *, stores: int = 1) -> ArchiveTier:
    """Give an archive of folders."""
    made = []
    for n in range(stores):
        root = folder / f"store-{n}"
        root.mkdir(parents=True, exist_ok=True)
        made.append(FolderStore(f"store-{n}", root))
        made[-1].prepare()
    return ArchiveTier(folder, made, copies=stores, yields=False)


def bare_node(folder: Path, name: str, clock: Clock) -> Node:
    """Give a node whose state folder is ``folder/name``; opening it again gives the same keys and rows."""
    state = folder / name
    state.mkdir(parents=True, exist_ok=True)
    database = SqliteDatabase(state / "meridian.db", clock)
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
