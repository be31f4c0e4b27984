"""Instances that lie in the archive alone stand folded, and nobody who reads can tell."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.catalogue.finding import match_instances
from node.catalogue.folding import folded, rewritten, unfolded
from node.catalogue.search import EVERYTHING, InstanceRow, instances_of
from node.clock import new_id
from node.database.instance_tables import EVERY, IN_ARCHIVE, INSTANCES
from node.database.port import Database, Statement, integer, read_as
from node.database.schema import MIGRATIONS
from node.database.sqlite import SqliteDatabase
from node.names import NodeId, StudyKey, StudyUID
from tests.kit.catalogued import Catalogue, hold, instance, series, study
from tests.kit.clock import FrozenClock

KEY = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID("2.25.1"))
AWAY = "archive-01"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = SqliteDatabase(tmp_path / "meridian.db", FrozenClock())
    yield opened
    opened.close()


def mixed() -> list[InstanceRow]:
    """Give instances of two studies and series, of which some lie in the archive alone, in every state and odd number."""
    return [
        instance(
            study_uid=f"2.25.{n}", series_uid=f"2.25.{n}.{s}", sop_uid=f"2.25.{n}.{s}.{k}", digest=f"{k:064x}",
            number=None if k == 3 else 10 - k, frames=1 + k % 2, rows=None if s == 2 else 512,
            pack=AWAY if k % 2 or n == 2 else "rx-01", offset=k, data_offset=100 + k, data_bytes=1000 + k,
            state="conflict" if k == 4 else "rejected" if k == 5 else "chosen", received_at=1_795_000_000_000_000 + k,
            normal_digest="ab" if k == 4 else "",
        )
        for n in (1, 2)
        for s in (1, 2)
        for k in range(6)
    ]  # fmt: skip


def hold_mixed(database: Database) -> list[InstanceRow]:
    rows = mixed()
    studies = [study(study_uid=f"2.25.{n}", first_at=n) for n in (1, 2)]
    shown = [
        series(study_uid=f"2.25.{n}", series_uid=f"2.25.{n}.{s}", number=s) for n in (1, 2) for s in (1, 2)
    ]
    hold(database, Catalogue(studies=studies, series=shown, instances=rows), new_id(FrozenClock()))
    return rows


def count(database: Database, table: str, where: str = "1") -> int:
    return integer(database.read(f"SELECT count(*) AS n FROM {table} WHERE {where}")[0], "n")


def sources() -> list[Path]:
    folders = [ROOT / name for name in ("node", "actors", "federation", "web", "ops")]
    return [path for folder in folders for path in folder.rglob("*.py") if "node_modules" not in path.parts]


def by_key(row: InstanceRow) -> tuple[str, ...]:
    return (row.study_uid, row.sop_uid, row.digest)


def test_what_is_folded_reads_as_before(database: Database) -> None:
    rows = hold_mixed(database)
    assert count(database, "online_instance") == sum(row.pack != AWAY for row in rows)
    assert count(database, "archived_series") < sum(row.pack == AWAY for row in rows)
    read = read_as(database, InstanceRow, "SELECT * FROM instance")
    assert sorted(read, key=by_key) == sorted(rows, key=by_key)
    names = [row.sop_uid for row in instances_of(database, KEY, chosen_only=False)]
    assert names == [f"2.25.1.{s}.{k}" for s in (1, 2) for k in (5, 4, 2, 1, 0, 3)], "by number; none last"


def test_pages_of_instances_follow_each_other_through_both(database: Database) -> None:
    rows = [row for row in hold_mixed(database) if row.state == "chosen"]
    whole = match_instances(database, EVERYTHING, filters={"PatientID": ""}, limit=100)
    assert [row.study_uid for row in whole] == ["2.25.2"] * 8 + ["2.25.1"] * 8, "the newest study first"
    assert sorted(whole, key=by_key) == sorted(rows, key=by_key)
    paged = [
        row
        for at in range(0, 16, 3)
        for row in match_instances(database, EVERYTHING, filters={}, limit=3, offset=at)
    ]
    assert paged == whole
    for asked in ({"SOPInstanceUID": "2.25.1.1.1"}, {"StudyInstanceUID": "2.25.1", "InstanceNumber": "9"}):
        found = match_instances(database, EVERYTHING, filters=asked)
        assert {row.sop_uid.rpartition(".")[2] for row in found} == {"1"}
        assert {row.pack for row in found} == {AWAY}


def test_a_study_is_unfolded_changed_and_folded_in_one_batch(database: Database) -> None:
    rows = hold_mixed(database)
    before = count(database, "archived_series", "study_uid = '2.25.2'")
    change = Statement(
        "UPDATE online_instance SET state = 'rejected' WHERE study_uid = '2.25.1' AND sop_uid = '2.25.1.1.1'",
        expect=1,
    )
    database.write(rewritten(KEY, [change]), "change")
    assert count(database, "online_instance", IN_ARCHIVE) == 0
    assert count(database, "archived_series", "study_uid = '2.25.2'") == before
    after = {by_key(row): row for row in read_as(database, InstanceRow, "SELECT * FROM instance")}
    changed = [row for row in rows if after[by_key(row)] != row]
    assert [row.sop_uid for row in changed] == ["2.25.1.1.1"]
    assert len(after) == len(rows)
    assert rewritten(KEY, []) == []


def test_unfolded_and_folded_again_it_is_what_it_was(database: Database) -> None:
    hold_mixed(database)
    kept = database.read("SELECT * FROM archived_series ORDER BY 1, 2, 3, 4, state, frames")
    database.write(unfolded(KEY), "out")
    assert count(database, "archived_series", "study_uid = '2.25.1'") == 0
    database.write([*folded(KEY), *folded(KEY)], "back")
    assert database.read("SELECT * FROM archived_series ORDER BY 1, 2, 3, 4, state, frames") == kept


def test_a_database_of_the_version_before_is_folded_when_it_is_opened(tmp_path: Path) -> None:
    path, before = tmp_path / "meridian.db", MIGRATIONS.index(INSTANCES)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for sql in (sql for one in MIGRATIONS[:before] for sql in one):
        connection.execute(sql)
    connection.execute(f"PRAGMA user_version = {before}")
    rows = mixed()
    marks = ", ".join("?" * len(EVERY))
    for row in rows:
        values = tuple(getattr(row, name) for name in EVERY)
        connection.execute(f"INSERT INTO instance ({', '.join(EVERY)}) VALUES ({marks})", values)
    connection.close()
    database = SqliteDatabase(path, FrozenClock())
    try:
        read = read_as(database, InstanceRow, "SELECT * FROM instance")
        assert sorted(read, key=by_key) == sorted(rows, key=by_key)
        assert count(database, "online_instance", IN_ARCHIVE) == 0
    finally:
        database.close()


def test_the_view_has_the_columns_of_a_row_in_their_order(database: Database) -> None:
    assert InstanceRow.__struct_fields__ == EVERY
    assert (
        tuple(
            database.read("SELECT name FROM pragma_table_info('online_instance')")[n]["name"]
            for n in range(20)
        )
        == EVERY
    )


_READ = re.compile(r"(FROM|JOIN) instance\b(?P<where>.{0,260})", re.DOTALL)
_WHOLE = {"ops/verify.py": 1, "ops/rebuild/rebuilding.py": 1, "ops/rebuild/corrected.py": 1}
"""Who counts all of it, or looks for one kind of object in it, once."""


def unkeyed(source: str) -> int:
    """Count reads of the view that name neither a study nor a pack: each unfolds every study."""
    return sum(
        not re.search(r"study_uid = \?|\{where\}|pack = \?", found["where"])
        for found in _READ.finditer(source)
    )


def test_a_read_of_the_whole_view_is_recognised() -> None:
    assert unkeyed("SELECT series_uid FROM instance WHERE sop_uid = ? LIMIT 1") == 1
    assert unkeyed("SELECT * FROM instance WHERE origin = ? AND study_uid = ?") == 0


def test_whoever_reads_the_view_names_a_study_or_a_pack() -> None:
    found = {str(path.relative_to(ROOT)): unkeyed(path.read_text()) for path in sources()}
    assert {path: count for path, count in found.items() if count} == _WHOLE


_JOINED = re.compile(r"\binstance\.\w+ (=|IN) \w+\.|\w+\.\w+ = instance\.|\bJOIN instance\b")


def test_a_join_with_the_view_is_recognised() -> None:
    assert _JOINED.search("FROM study JOIN instance ON 1")
    assert _JOINED.search("EXISTS (SELECT 1 FROM instance WHERE instance.pack = archived.pack)")
    assert not _JOINED.search("SELECT * FROM instance WHERE origin = ? AND study_uid = ?")


def test_nobody_joins_the_view_which_would_unfold_every_study() -> None:
    joined = [path.relative_to(ROOT) for path in sources() if _JOINED.search(path.read_text())]
    # What has its own tables under that name: `finding` reads both halves.
    assert [str(path) for path in joined] == ["node/catalogue/finding.py"]
