"""Packs of a deleted study that no row means: those that held nothing but what had come before, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from node.archive.deletion.deletions import Deletion
from node.clock import Micros
from node.database.port import text
from node.errors import GridError
from node.names import StudyKey
from node.node import Node


def stray_packs(node: Node, deletion: Deletion) -> Iterator[str]:
    """Give packs whose records are all of a deleted study and came before it went; those that still land are left out.

    Reads the head of the first record of every pack that no row means.
    """
    meant = {text(row, "pack") for row in node.database.read("SELECT DISTINCT pack FROM online_instance")}
    landing = set(node.packs.landing())
    until = deletion.ended_at or 0
    for pack in node.packs.names():
        if pack not in meant and pack not in landing and _is_of(node, pack, deletion, until=until):
            yield pack


def is_landing(node: Node, key: StudyKey) -> bool:
    """Say whether a pack of a study is still being written, or read by the index."""
    for pack in node.packs.landing():
        with suppress(GridError):
            first = next(node.packs.marked(pack, 0), None)
            if first is not None and (first.facts.origin, first.facts.study_uid) == (
                key.origin,
                key.study_uid,
            ):
                return True
    return False


def _is_of(node: Node, pack: str, deletion: Deletion, *, until: Micros) -> bool:
    try:
        records = node.packs.marked(pack, 0)
        first = next(records, None)
        if first is None or (first.facts.origin, first.facts.study_uid) != (
            deletion.origin,
            deletion.study_uid,
        ):
            return False
        return first.facts.received_at <= until and all(one.facts.received_at <= until for one in records)
    except GridError:
        return False  # gone meanwhile, or damaged: `verify` names that
