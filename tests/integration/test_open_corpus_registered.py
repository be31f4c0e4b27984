"""Every readable file of the open corpus, stored and registered: nothing is lost, nothing counts twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.ingest import Ingest
from node.dicom.header import identify, scan
from node.dicom.part10 import read_part10
from node.errors import GridError
from node.names import Cause
from node.node import Node
from tests.kit.actors import Failures
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.registering import facts, store

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "dicom"


@pytest.fixture(autouse=True, scope="module")
def _corpus_is_there() -> None:
    assert CORPUS.exists(), f"the open corpus is not at {CORPUS}: put it there, or nothing is shown"


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(
        os, "fdatasync", lambda _descriptor: None
    )  # durability is tested elsewhere; this is volume
    node = bare_node(tmp_path, "alpha", FrozenClock())
    yield node
    node.database.close()  # type: ignore[attr-defined]  # the port leaves closing to whoever composed it
    node.bell.close()


def test_every_instance_stored_is_a_row_or_a_repeat_and_comes_back_as_it_was(node: Node) -> None:
    sent: dict[str, bytes] = {}
    count = 0
    for entry in json.loads((CORPUS / "manifest.json").read_text())["files"]:
        try:
            parts = read_part10((CORPUS / entry["path"]).read_bytes())
            identifiers = identify(scan(parts.data_set, parts.transfer_syntax))
        except GridError:
            continue
        given = facts(
            node,
            study_uid=identifiers.study_uid,
            transfer_syntax=parts.transfer_syntax,
            cause=Cause(f"cause-{count}"),
            received_at=node.now() + count,
        )
        store(node, bytes(parts.data_set), given=given)
        sent[f"{given.received_at}"] = bytes(parts.data_set)
        count += 1
    actor = Ingest(Failures(), node)
    while node.packs.landing():
        actor.step()

    rows = node.database.read("SELECT * FROM instance")
    (repeated,) = node.database.read("SELECT sum(times) AS n FROM repeated")
    assert count >= 725
    assert len(rows) + int(repeated["n"] or 0) == count
    assert node.database.read("SELECT kind FROM problem WHERE kind <> 'instance-conflict'") == []
    for row in rows:
        path = node.packs.path(str(row["pack"]))
        with path.open("rb") as file:
            file.seek(int(row["data_offset"] or 0))
            assert file.read(int(row["data_bytes"] or 0)) == sent[str(row["received_at"])]
    chosen = [row for row in rows if row["state"] == "chosen"]
    assert len({(row["study_uid"], row["sop_uid"]) for row in rows}) == len(chosen)
