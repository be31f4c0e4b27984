"""Whatever is registered first, however it is cut into batches, whatever is tried twice: the rows are the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.catalogue import growth
from node.catalogue.registration import register
from node.clock import SECOND
from node.database.port import Row
from node.database.sqlite import SqliteDatabase
from node.errors import Conflict
from node.journal.cursors import advance, position
from node.journal.records import Journal
from node.names import Cause
from node.node import Node
from node.store.packs import index_cursor
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.instances import IMPLICIT, make_ct
from tests.kit.registering import facts, store

TABLES = (
    "study",
    "series",
    "instance",
    "repeated",
    "study_identity",
    "study_answer",
    "name_gram",
    "name_sound",
)
ORDERS = {
    "study_answer": "origin, study_uid",
    "name_gram": "gram, name",
    "name_sound": "sound, name",
    "study": "origin, study_uid",
    "series": "series_uid",
    "instance": "study_uid, sop_uid, digest",
    "repeated": "study_uid, sop_uid, digest",
    "study_identity": "study_uid, patient_issuer, patient_id, patient_name",
}


def ct(n: int, *, series: int = 1, **changes: str) -> bytes:
    return make_ct(sop_uid=f"2.25.1.{series}.{n}", series_uid=f"2.25.1.{series}", number=n, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, list[str]]]:
    """One set of packs that holds everything real senders do."""
    node = bare_node(tmp_path_factory.mktemp("converge"), "alpha", FrozenClock())
    packs = []

    def association(n: int, *data_sets: bytes, at_s: int, **changes: object) -> None:
        given = facts(node, received_at=node.now() + at_s * SECOND, cause=Cause(f"cause-{n}"), **changes)
        packs.append(store(node, *data_sets, given=given))

    association(0, ct(1), ct(2), ct(3), ct(3), at_s=0)
    association(
        1, ct(2), ct(3), ct(1, series=2, description="Scout"), at_s=100, department="Ward", door="import"
    )
    association(2, ct(1, description="Another"), ct(4), at_s=-10)  # earlier than what it contradicts
    association(
        3,
        make_ct(sop_uid="2.25.1.1.2", number=2, transfer_syntax=IMPLICIT),
        at_s=50,
        transfer_syntax=IMPLICIT,
    )
    association(4, ct(5, patient_name="Li^Si"), at_s=20, issuer="LAB")
    association(5, ct(1, description="A third"), ct(2, description="Another too"), at_s=20)
    association(
        6, make_ct(study_uid="2.25.2", patient_id="UNKNOWN"), b"no data set", at_s=5, study_uid="2.25.2"
    )
    yield node, packs
    node.database.close()  # type: ignore[attr-defined]  # the port leaves closing to whoever composed it
    node.bell.close()


def with_database(node: Node, path: Path) -> Node:
    database = SqliteDatabase(path, node.clock)
    return replace(node, database=database, journal=Journal(database, node.clock, node.id))


def rows(node: Node) -> dict[str, list[Row]]:
    return {table: node.database.read(f"SELECT * FROM {table} ORDER BY {ORDERS[table]}") for table in TABLES}


def register_some(node: Node, pack: str, *, count: int, twice: bool) -> bool:
    """Register a pack's next records, perhaps once more after a crash that lost the answer; say whether there were any."""
    before = position(node.database, index_cursor(pack))
    records = list(node.packs.marked(pack, before))[:count]
    if not records:
        return False
    cursors = [advance(index_cursor(pack), before=before, after=records[-1].next_offset)]
    register(node, records, cursors=cursors)
    if twice:
        with pytest.raises(Conflict):
            register(node, records, cursors=cursors)
    return True


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.sets(st.integers(0, 6), min_size=1),
    steps=st.lists(st.tuples(st.integers(0, 6), st.integers(1, 3), st.booleans()), max_size=20),
)
def test_any_order_cut_and_restart_gives_the_same_rows(
    landed: tuple[Node, list[str]],
    tmp_path_factory: pytest.TempPathFactory,
    chosen: set[int],
    steps: list[tuple[int, int, bool]],
) -> None:
    whole, packs = landed
    folder = tmp_path_factory.mktemp("databases")
    one, other = with_database(whole, folder / "one.db"), with_database(whole, folder / "other.db")
    for n in sorted(chosen):
        register_some(one, packs[n], count=100, twice=False)
    for n, count, twice in steps:
        if n in chosen:
            register_some(other, packs[n], count=count, twice=twice)
    for n in sorted(chosen, reverse=True):
        while register_some(other, packs[n], count=2, twice=False):
            continue
    assert rows(other) == rows(one)
    _check_counts(other)
    for node in (one, other):
        node.database.close()  # type: ignore[attr-defined]  # the port leaves closing to whoever composed it


def _check_counts(node: Node) -> None:
    """Counts are what can be counted, and each instance has one chosen content."""
    for study in node.database.read("SELECT * FROM study"):
        where = (study["origin"], study["study_uid"])
        (counted,) = node.database.read(
            "SELECT count(*) AS instances, count(DISTINCT sop_uid) AS uids, count(DISTINCT series_uid) AS series,"
            " sum(data_bytes) AS bytes FROM instance WHERE origin = ? AND study_uid = ? AND state = 'chosen'",
            where,
        )
        assert counted["instances"] == counted["uids"] == study["instance_count"]
        assert (counted["series"], counted["bytes"]) == (study["series_count"], study["bytes"])
        for series in node.database.read("SELECT * FROM series WHERE origin = ? AND study_uid = ?", where):
            (inside,) = node.database.read(
                "SELECT count(*) AS n FROM instance WHERE origin = ? AND study_uid = ? AND series_uid = ?"
                " AND state = 'chosen'",
                (*where, series["series_uid"]),
            )
            assert inside["n"] == series["instance_count"]
        uids = node.database.read(
            "SELECT count(DISTINCT sop_uid) AS n FROM instance WHERE origin = ? AND study_uid = ?", where
        )
        assert uids[0]["n"] == study["instance_count"]


def test_planted_words_of_the_last_comer_are_caught(
    landed: tuple[Node, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the words those of whoever registered first, order would show: the check above is no empty one."""
    whole, packs = landed
    named = growth.named
    monkeypatch.setattr(growth, "named", lambda study, source: study or named(None, source))
    outcomes = []
    for name, order in (("one", (0, 2)), ("other", (2, 0))):
        node = with_database(whole, tmp_path / f"{name}.db")
        for n in order:
            register_some(node, packs[n], count=100, twice=False)
        outcomes.append(rows(node)["study"])
        node.database.close()  # type: ignore[attr-defined]  # the port leaves closing to whoever composed it
    assert outcomes[0] != outcomes[1]
