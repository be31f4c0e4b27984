"""Every stored instance of every open set goes its whole way: archived, let go online, brought back, byte for byte.

About half a minute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.archive.archived import is_archived
from node.archive.archiving import archive_study
from node.archive.expiring import expire_study
from node.archive.recall.recalling import bring
from node.catalogue.moving import retire_packs
from node.catalogue.search import InstanceRow, instances_of
from node.clock import SystemClock
from node.database.port import Statement, text
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from ops.verify import verify_part
from tests.kit.bare_node import open_archive
from tests.kit.corpus import readable, register_corpus
from tests.kit.merging import complete

STORED = 725
PARTS = ("packs", "archive", "journal", "studies")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with open_archive(tmp_path, SystemClock()) as node:
        yield node


def test_every_instance_of_the_open_sets_is_what_it_was_after_its_whole_way(node: Node) -> None:
    register_corpus(node, readable())
    keys = studies(node)
    before = {key: everything(node, key) for key in keys}
    meant = {row.pack for key in keys for row in rows(node, key)}
    for key in keys:
        complete(node, key)
        archive_study(node, origin=key.origin, study_uid=key.study_uid)
        expire_study(node, key, reason="due")
    node.write([Statement("UPDATE retired_pack SET due = 0")])
    while retire_packs(node) is not None:
        pass
    assert all(is_archived(row.pack) for key in keys for row in rows(node, key))
    assert not meant & set(node.packs.names())  # what is left holds repeats alone
    for key in keys:
        bring(node, key, who="", why="asked")
    assert {key: everything(node, key) for key in keys} == before
    assert [finding.line for part in PARTS for finding in verify_part(node, part)] == []
    count = sum(map(len, before.values()))
    print(f"{count} instances of {len(keys)} studies, each as it was")
    assert count >= STORED


def studies(node: Node) -> list[StudyKey]:
    found = node.database.read("SELECT origin, study_uid FROM study ORDER BY origin, study_uid")
    return [
        StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
        for row in found
    ]


def rows(node: Node, key: StudyKey) -> list[InstanceRow]:
    return instances_of(node.database, key, chosen_only=False)


def everything(node: Node, key: StudyKey) -> dict[tuple[str, str, str], str]:
    """Give SHA-256 of file meta and data set of each content, with its state."""
    return {
        (row.sop_uid, row.digest, row.state): hashlib.sha256(
            node.packs.read_file(row.location)[132:]
        ).hexdigest()
        for row in rows(node, key)
    }
