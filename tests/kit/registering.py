"""Instances put into a node's packs as its doors do, and registered: for tests that begin behind the receiver."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from node.catalogue.registration import Registered, register
from node.journal.cursors import advance, position
from node.names import Cause, StudyUID
from node.node import Node
from node.store.facts import AssociationFacts, MarkedRecord
from node.store.packs import index_cursor
from tests.kit.instances import CT_IMAGE, EXPLICIT, file_meta


def facts(node: Node, *, study_uid: str = "2.25.1", **changes: Any) -> AssociationFacts:
    """Give the facts of an association with an admitted CT."""
    plain = AssociationFacts(
        calling="CT1",
        called=node.config.aet,
        address="10.0.0.9",
        certificate="",
        rule="CT1@10.0.0.9",
        rule_version=1,
        issuer="HIS",
        trust_issuer=False,
        department="Radiology",
        transfer_syntax=EXPLICIT,
        received_at=node.now(),
        origin=node.id,
        study_uid=StudyUID(study_uid),
        door="dicom",
        cause=Cause("cause-1"),
    )
    return replace(plain, **changes)


def store(
    node: Node,
    *data_sets: bytes,
    given: AssociationFacts | None = None,
    sop_class: str = CT_IMAGE,
    sop_uid: str = "2.25.1.1.1",
) -> str:
    """Store data sets in one pack, each a microsecond after the other, and end it; give the pack's name."""
    given = given or facts(node)
    writer = node.packs.open_writer(study_uid=given.study_uid, cause=given.cause)
    pack = ""
    for n, data_set in enumerate(data_sets):
        stored = writer.append(
            replace(given, received_at=given.received_at + n),
            sop_class=sop_class,
            sop_uid=sop_uid,
            file_meta=file_meta(transfer_syntax=given.transfer_syntax),
            data_set=data_set,
        )
        pack = stored.location.pack
    writer.close()
    return pack


def marked(node: Node, pack: str) -> list[MarkedRecord]:
    """Give what a pack holds behind its cursor."""
    return list(node.packs.marked(pack, position(node.database, index_cursor(pack))))


def register_pack(node: Node, pack: str, records: Sequence[MarkedRecord] | None = None) -> Registered:
    """Register a pack's records, or the first of them, and move its cursor."""
    found = marked(node, pack) if records is None else records
    cursor = index_cursor(pack)
    move = advance(cursor, before=position(node.database, cursor), after=found[-1].next_offset)
    return register(node, found, cursors=[move])


def register_all(node: Node) -> None:
    """Do what the index does."""
    for pack in node.packs.landing():
        if marked(node, pack):
            register_pack(node, pack)


@contextmanager
def registered_meanwhile(node: Node) -> Iterator[None]:
    """Let the index follow, as its actor does."""
    done = threading.Event()

    def follow() -> None:
        while not done.wait(0.05):
            register_all(node)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def receive(node: Node, *data_sets: bytes, given: AssociationFacts | None = None) -> Registered:
    """Store data sets and register them."""
    return register_pack(node, store(node, *data_sets, given=given))
