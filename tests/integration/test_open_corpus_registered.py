"""Every readable file of the open corpus, stored and registered: nothing is lost, nothing counts twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.corpus import readable, register_corpus


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
    began = node.now()
    taken = list(readable())
    sent = {f"{began + n}": one.data_set for n, one in enumerate(taken)}
    count = register_corpus(node, taken)

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
