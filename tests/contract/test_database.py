"""The promises of the database port, once, for every adapter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from node.clock import SECOND
from node.database.port import Database, Done, Statement, integer, read_as, text
from node.database.sqlite import KEY_LIFE, SqliteDatabase
from node.errors import Conflict, Damaged, InvalidRequest, Unavailable
from tests.kit.clock import FrozenClock

PUT = "INSERT INTO cursor (reader, position) VALUES (?, ?)"
MOVE = "UPDATE cursor SET position = ? WHERE reader = ? AND position = ?"


class ClosableDatabase(Database, Protocol):
    def close(self) -> None: ...


class Store:
    """One store, opened as often as a test likes."""

    def __init__(self, open_: Callable[[], ClosableDatabase], clock: FrozenClock) -> None:
        self._open = open_
        self._opened: list[ClosableDatabase] = []
        self.clock = clock

    def open(self) -> ClosableDatabase:
        self._opened.append(self._open())
        return self._opened[-1]

    def close(self) -> None:
        for database in self._opened:
            database.close()


def sqlite_store(directory: Path) -> Store:
    clock = FrozenClock()
    return Store(lambda: SqliteDatabase(directory / "meridian.db", clock), clock)


@pytest.fixture(params=[sqlite_store], ids=["sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store: Store = request.param(tmp_path)
    yield store
    store.close()


@pytest.fixture
def database(store: Store) -> ClosableDatabase:
    return store.open()


def positions(database: Database) -> dict[str, int]:
    rows = database.read("SELECT reader, position FROM cursor ORDER BY reader")
    return {text(row, "reader"): integer(row, "position") for row in rows}


# -- all or nothing


def test_all_statements_of_a_batch_are_applied(database):
    assert database.write([Statement(PUT, ("a", 1)), Statement(PUT, ("b", 2))], "k") == Done()
    assert positions(database) == {"a": 1, "b": 2}


def test_failed_expect_undoes_the_whole_batch_and_says_why(database):
    with pytest.raises(Conflict, match=r"^Moving was refused"):
        database.write(
            [Statement(PUT, ("a", 1)), Statement(MOVE, (2, "b", 1), expect=1, refusal="Moving was refused.")],
            "k",
        )
    assert positions(database) == {}


def test_failed_expect_without_words_of_its_own_still_says_what_to_do(database):
    with pytest.raises(Conflict, match="read again"):
        database.write([Statement(MOVE, (2, "b", 1), expect=1)], "k")


@pytest.mark.parametrize("expect", [0, 2])
def test_expect_counts_exactly(database, expect):
    database.write([Statement(PUT, ("a", 1))], "first")
    with pytest.raises(Conflict):
        database.write([Statement(MOVE, (2, "a", 1), expect=expect)], "second")
    database.write([Statement(MOVE, (2, "a", 1), expect=1)], "third")


def test_expect_of_no_row_lets_a_batch_pass_that_changes_none(database):
    database.write([Statement(MOVE, (2, "nobody", 1), expect=0), Statement(PUT, ("a", 1))], "k")
    assert positions(database) == {"a": 1}


def test_taken_unique_key_is_a_conflict_with_the_statement_s_refusal(database):
    database.write([Statement(PUT, ("a", 1))], "first")
    with pytest.raises(Conflict, match=r"^Taken"):
        database.write([Statement(PUT, ("b", 1)), Statement(PUT, ("a", 2), refusal="Taken.")], "second")
    assert positions(database) == {"a": 1}


@pytest.mark.parametrize(
    "statement",
    [
        Statement("INSERT INTO cursor (reader, position) VALUES ('a', NULL)"),
        Statement(PUT, ("a", "not a number")),
        Statement("INSERT INTO nowhere VALUES (1)"),
        Statement("INSERT INTO cursor VALUES (?)", ("a",)),
        Statement(PUT, ("a",)),
    ],
    ids=["null", "type", "table", "columns", "parameters"],
)
def test_mistake_of_the_caller_is_invalid_and_writes_nothing(database, statement):
    with pytest.raises(InvalidRequest):
        database.write([Statement(PUT, ("before", 1)), statement], "k")
    assert positions(database) == {}
    assert database.write([Statement(PUT, ("after", 1))], "k") == Done()


def test_of_100_batches_waiting_together_30_conflicting_exactly_70_remain(database):
    """The failed ones fail at their last statement, so whatever is not undone would show."""
    gate = threading.Barrier(100)

    def write(n: int) -> bool:
        gate.wait()
        batch = [Statement(PUT, (f"first-{n}", n)), Statement(PUT, (f"second-{n}", n))]
        if n % 10 < 3:
            batch.append(Statement(MOVE, (1, "nobody", 0), expect=1))
        try:
            database.write(batch, f"key-{n}")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(100) as pool:
        applied = [n for n, done in enumerate(pool.map(write, range(100))) if done]
    assert len(applied) == 70
    expected = {f"{which}-{n}": n for n in applied for which in ("first", "second")}
    assert positions(database) == expected


def test_one_of_many_compare_and_sets_wins(database):
    database.write([Statement(PUT, ("lease", 0))], "first")

    def take(n: int) -> bool:
        try:
            database.write([Statement(MOVE, (n, "lease", 0), expect=1)], f"take-{n}")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        winners = [n for n, won in zip(range(1, 33), pool.map(take, range(1, 33)), strict=True) if won]
    assert [positions(database)["lease"]] == winners


# -- keys


def test_same_key_again_changes_nothing_and_says_repeated(database):
    batch = [Statement("UPDATE cursor SET position = position + 1 WHERE reader = 'a'")]
    database.write([Statement(PUT, ("a", 1))], "first")
    assert database.write(batch, "k") == Done()
    assert database.write(batch, "k") == Done(repeated=True)
    assert positions(database) == {"a": 2}


def test_key_of_a_refused_batch_is_free_again(database):
    batch = [Statement(MOVE, (2, "a", 1), expect=1)]
    with pytest.raises(Conflict):
        database.write(batch, "k")
    database.write([Statement(PUT, ("a", 1))], "first")
    assert database.write(batch, "k") == Done()


def test_same_key_from_many_threads_is_applied_once(database):
    database.write([Statement(PUT, ("a", 0))], "first")
    batch = [Statement("UPDATE cursor SET position = position + 1 WHERE reader = 'a'")]
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda _: database.write(batch, "k"), range(16)))
    assert positions(database) == {"a": 1}
    assert outcomes.count(Done()) == 1


def test_key_is_remembered_by_a_store_opened_later(store):
    first = store.open()
    first.write([Statement(PUT, ("a", 1))], "k")
    first.close()
    assert store.open().write([Statement(PUT, ("a", 1))], "k") == Done(repeated=True)


def test_key_is_kept_for_30_days_and_then_forgotten(store, database):
    database.write([Statement(PUT, ("a", 1))], "old")
    store.clock.advance(KEY_LIFE)
    assert database.write([Statement(PUT, ("a", 1))], "old") == Done(repeated=True)
    store.clock.advance(3600 * SECOND)
    database.write([], "later")
    assert database.write([Statement(PUT, ("b", 1))], "old") == Done()


def test_write_without_a_key_is_refused(database):
    with pytest.raises(InvalidRequest, match="key"):
        database.write([Statement(PUT, ("a", 1))], "")


# -- the subset


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN",
        "COMMIT",
        "/* now */ ROLLBACK",
        "SAVEPOINT mine",
        "PRAGMA synchronous = OFF",
        "ATTACH 'other.db' AS other",
        "VACUUM",
        "DROP TABLE cursor",
        "SELECT 1",
        "INSERT INTO cursor VALUES ('a', 1); DELETE FROM cursor",
        "INSERT INTO cursor VALUES (CURRENT_TIMESTAMP, 1)",
        "INSERT INTO cursor VALUES (datetime('now'), 1)",
        "INSERT INTO cursor VALUES (date(), 1)",
        "INSERT INTO cursor VALUES ('a', random())",
        "INSERT INTO cursor VALUES (hex(randomblob(4)), 1)",
        "INSERT INTO cursor VALUES ('a', 1) RETURNING position",
        "INSERT OR ROLLBACK INTO cursor VALUES ('a', 1)",
    ],
)
def test_statement_outside_the_subset_is_refused(database, sql):
    with pytest.raises(InvalidRequest):
        database.write([Statement(PUT, ("before", 1)), Statement(sql)], "k")
    assert positions(database) == {}


@pytest.mark.parametrize(
    "value",
    [b"blob", "x'00ff'", " X'' ", float("nan"), float("inf"), 2**63, -(2**63) - 1, "\ud800", ["list"]],
    ids=repr,
)
def test_value_that_two_stores_would_keep_differently_is_refused(database, value):
    with pytest.raises(InvalidRequest):
        database.write([Statement("INSERT INTO cursor VALUES (?, ?)", (value, value))], "k")
    database.write([Statement(PUT, ("still alive", 1))], "after")


@pytest.mark.parametrize("value", ["", "张^三", "x'00ff", "it's x'00'", "a\x00b", "2026-03-02", "007", "1e3"])
def test_text_comes_back_as_it_was(database, value):
    database.write([Statement(PUT, (value, 1))], "k")
    assert database.read("SELECT reader FROM cursor") == [{"reader": value}]


@pytest.mark.parametrize("value", [0, -1, 2**63 - 1, -(2**63)])
def test_whole_number_comes_back_exactly(database, value):
    database.write([Statement(PUT, ("a", value))], "k")
    assert positions(database) == {"a": value}


# -- reading


def test_read_sees_every_write_that_was_answered(store):
    one, other = store.open(), store.open()
    for n in range(20):
        (one if n % 2 else other).write([Statement(PUT, (f"{n:02}", n))], f"k{n}")
        assert len(positions(one)) == len(positions(other)) == n + 1


def test_read_cannot_write(database):
    with pytest.raises(InvalidRequest):
        database.read("DELETE FROM cursor")


def test_bad_select_is_invalid(database):
    with pytest.raises(InvalidRequest):
        database.read("SELECT nothing FROM nowhere")


def test_row_that_does_not_fit_its_shape_is_damage(database):
    @dataclass(frozen=True)
    class Numbered:
        reader: int

    database.write([Statement(PUT, ("a", 1))], "k")
    with pytest.raises(Damaged, match="Numbered"):
        read_as(database, Numbered, "SELECT reader FROM cursor")


def test_reads_go_on_while_a_writer_is_busy(database):
    stop = threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            database.write([Statement(PUT, (f"w{n}", n))], f"w{n}")
            n += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        counts = [len(positions(database)) for _ in range(200)]
    finally:
        stop.set()
        thread.join()
    assert counts == sorted(counts)


# -- closing


def test_closed_database_answers_unavailable(store):
    database = store.open()
    database.close()
    database.close()
    with pytest.raises(Unavailable):
        database.write([Statement(PUT, ("a", 1))], "k")
    with pytest.raises(Unavailable):
        database.read("SELECT 1")


def test_what_was_being_written_at_close_is_answered(store):
    """Nobody may be left waiting for ever: done, or unavailable."""
    database = store.open()
    outcomes: list[str] = []

    def write(n: int) -> None:
        try:
            database.write([Statement(PUT, (f"{n}", n))], f"{n}")
            outcomes.append(f"{n}")
        except Unavailable:
            outcomes.append("unavailable")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    database.close()
    for thread in threads:
        thread.join(10)
    assert len(outcomes) == 50
    assert set(outcomes) - {"unavailable"} == set(positions(store.open()))
