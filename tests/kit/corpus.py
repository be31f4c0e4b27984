"""The open sets as a node holds them, registered as the index does it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actors.ingest import Ingest
from node.dicom.header import identify, scan
from node.dicom.part10 import read_part10
from node.errors import GridError
from node.names import Cause
from node.node import Node
from tests.kit.actors import Failures
from tests.kit.registering import facts, store

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "dicom"


@dataclass(frozen=True)
class Taken:
    """A file of the corpus that can be stored."""

    path: Path
    set: str
    study_uid: str
    sop_class: str
    sop_uid: str
    transfer_syntax: str
    data_set: bytes


def readable() -> Iterator[Taken]:
    """Give every file that a node takes; fails when the corpus is not there."""
    assert CORPUS.exists(), f"the open corpus is not at {CORPUS}: put it there, or nothing is shown"
    for entry in json.loads((CORPUS / "manifest.json").read_text())["files"]:
        path = CORPUS / entry["path"]
        try:
            parts = read_part10(path.read_bytes())
            ids = identify(scan(parts.data_set, parts.transfer_syntax))
        except GridError:
            continue
        yield Taken(
            path=path,
            set=Path(entry["path"]).parts[0],
            study_uid=ids.study_uid,
            sop_class=ids.sop_class,
            sop_uid=ids.sop_uid,
            transfer_syntax=parts.transfer_syntax,
            data_set=bytes(parts.data_set),
        )


def register_corpus(node: Node, taken: Iterator[Taken] | list[Taken]) -> int:
    """Store files one after the other, and let the index register them; give how many."""
    count = 0
    for one in taken:
        given = facts(
            node,
            study_uid=one.study_uid,
            transfer_syntax=one.transfer_syntax,
            cause=Cause(f"cause-{count}"),
            received_at=node.now() + count,
        )
        store(node, one.data_set, given=given, sop_class=one.sop_class, sop_uid=one.sop_uid)
        count += 1
    actor = Ingest(Failures(), node)
    while node.packs.landing():
        actor.step()
    return count
