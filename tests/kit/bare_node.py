"""A node as a value over a temporary folder: real database, journal and keys, no process."""

from __future__ import annotations

from pathlib import Path

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
        keys=KeyStore.open(state / "keys", NodeId(name), clock),
        bell=Bell(state / "run"),
        landed=Bell(state / "run" / LANDING),
    )
