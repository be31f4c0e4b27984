"""Whatever is stored, merged, waited for and killed, in any order: every content is there once, and verify is clean."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from node.catalogue import crowding
from node.catalogue.fresh import read_fresh
from node.catalogue.moving import RETIRED_FOR
from node.catalogue.search import InstanceRow
from node.database.sqlite import SqliteDatabase
from node.journal.records import Journal
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.merging import (
    associate,
    complete,
    findings,
    ingest,
    merge_all,
    packs_meant,
    read_all,
    rows_of,
    scatter,
    slice_of,
)
from tests.kit.mortal import killed_after

FEW = 2
PACKS = 5
EXAMPLES = 600 if os.environ.get("MERIDIAN_LONG") else 40


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowding, "FEW", FEW)
    monkeypatch.setattr(crowding, "PACKS_AT_ONCE", 3)


@pytest.fixture(scope="module")
def scattered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose study came in a few packs."""
    folder = tmp_path_factory.mktemp("scattered")
    node = bare_node(folder, "alpha", FrozenClock())
    scatter(node, PACKS)
    node.close()
    return folder


def test_a_merge_may_end_at_each_of_its_effects(scattered: Path, tmp_path: Path) -> None:
    """From the first byte of the first copy to the last row of the last old pack that is unlinked."""
    killed = 0
    for n in range(1000):
        folder = tmp_path / "one"
        shutil.copytree(scattered, folder)
        clock = FrozenClock()
        node = bare_node(folder, "alpha", clock)
        before, contents = read_all(node), count(node)
        with killed_after(n) as life:
            merge_all(node)
            clock.advance(RETIRED_FOR)
            merge_all(node)
        node.close()
        node = bare_node(folder, "alpha", clock)
        assert (read_all(node), count(node), findings(node)) == (before, contents, []), f"after {n} effects"
        settle(node, clock)
        assert (read_all(node), count(node), findings(node)) == (before, contents, []), f"after {n} effects"
        assert len(node.packs.names()) == len(packs_meant(node)) <= FEW
        node.close()
        shutil.rmtree(folder)
        if not life.over:
            break
        killed += 1
    assert not life.over
    assert killed > 40


def count(node: Node) -> tuple[int, int]:
    """Say how many rows there are, and how many repeats were counted."""
    (row,) = node.database.read(
        "SELECT (SELECT count(*) FROM instance) AS rows, (SELECT coalesce(sum(times), 0) FROM repeated) AS times"
    )
    return int(str(row["rows"])), int(str(row["times"]))


def settle(node: Node, clock: FrozenClock) -> None:
    """Let everything become as it stays."""
    merge_all(node)
    clock.advance(RETIRED_FOR)
    merge_all(node)
    directory = node.packs.directory
    assert (directory.merging(), node.database.read("SELECT pack FROM retired_pack")) == ([], [])


STORE = st.tuples(
    st.just("store"), st.lists(st.tuples(st.integers(1, 6), st.integers(0, 1)), min_size=1, max_size=3)
)
STEPS = st.lists(
    st.one_of(
        STORE,
        STORE,
        st.tuples(st.just("complete"), st.none()),
        st.tuples(st.just("merge"), st.none()),
        st.tuples(st.just("merge and end"), st.integers(0, 60)),
        st.tuples(st.just("wait"), st.none()),
        st.tuples(st.just("restore"), st.booleans()),
    ),
    min_size=4,
    max_size=20,
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_order_of_storing_merging_ending_and_waiting_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]
) -> None:
    clock = FrozenClock()
    node = bare_node(tmp_path_factory.mktemp("node"), "alpha", clock)
    stored: set[str] = set()
    old: list[InstanceRow] = []
    for at, (what, how) in enumerate(steps):
        match what:
            case "store":
                data_sets = [slice_of(n, description=f"Text {k}") for n, k in how]  # type: ignore[attr-defined]
                associate(node, *data_sets, at_s=at)
                ingest(node)
                stored |= {row.digest for row in rows_of(node)}
            case "complete" if stored:
                complete(node)
            case "merge":
                merge_all(node)
            case "merge and end":
                with killed_after(how):  # type: ignore[arg-type]
                    merge_all(node)
            case "wait":
                clock.advance(RETIRED_FOR)
            case "restore":
                check_rebuilt(node, tmp_path_factory.mktemp("restored") / "new.db")
        assert {row.digest for row in rows_of(node)} == stored
        assert findings(node) == []
        read_old(node, old)
        old = rows_of(node)
    if stored:
        complete(node)
        settle(node, clock)
        assert len(packs_meant(node)) <= FEW
        assert findings(node) == []
        read_old(node, old)
        check_rebuilt(node, tmp_path_factory.mktemp("restored") / "new.db")
    node.close()


def read_old(node: Node, rows: list[InstanceRow]) -> None:
    """Read through rows that were looked up before."""
    for row in rows:
        read_fresh(node, row, lambda row: node.packs.check(row.location))


def check_rebuilt(node: Node, database: Path) -> None:
    """An index that begins anew, whatever of old and new packs is here, comes to the same."""
    landing = node.packs.landing()
    for name in node.packs.names():
        node.packs.directory.land(name)
    rebuilt = replace(node, database=(other := SqliteDatabase(database, node.clock)))
    rebuilt = replace(rebuilt, journal=Journal(other, node.clock, node.id))
    ingest(rebuilt)
    places = {"pack": "", "offset": 0, "data_offset": 0}
    assert [structs.replace(row, **places) for row in rows_of(rebuilt)] == [
        structs.replace(row, **places)
        for row in rows_of(node)  # type: ignore[arg-type]
    ]
    assert count(rebuilt) == count(node)
    assert findings(rebuilt) == []
    assert landing == []
    other.close()
