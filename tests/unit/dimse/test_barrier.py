from __future__ import annotations

from pathlib import Path

from node.database.sqlite import SqliteDatabase
from node.dimse.barrier import index_of, wait_for_index
from node.journal.cursors import advance
from node.store.packs import index_cursor
from tests.kit.clock import FrozenClock

PACK = "receiver-00000000-0000-7000-8000-000000000000"


def test_each_pack_is_waited_for_until_it_is_registered() -> None:
    asked: list[tuple[str, int]] = []

    def caught_up(pack: str, offset: int) -> bool:
        asked.append((pack, offset))
        return len(asked) != 1

    assert wait_for_index({"a": 10, "b": 20}, caught_up, at_most_s=60)
    assert asked == [("a", 10), ("a", 10), ("b", 20)]


def test_the_wait_ends_when_its_time_is_up() -> None:
    assert not wait_for_index({"a": 10}, lambda _pack, _offset: False, at_most_s=0)


def test_nothing_is_waited_for_without_a_database(tmp_path: Path) -> None:
    assert index_of(tmp_path / "meridian.db")(PACK, 10)
    (tmp_path / "other.db").write_bytes(b"no database")
    assert index_of(tmp_path / "other.db")(PACK, 10)


def test_the_cursor_of_the_index_is_what_counts(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "meridian.db", FrozenClock())
    caught_up = index_of(tmp_path / "meridian.db")
    assert not caught_up(PACK, 10)
    database.write([advance(index_cursor(PACK), before=0, after=10)], "key")
    assert caught_up(PACK, 10)
    assert not caught_up(PACK, 11)
    database.close()
