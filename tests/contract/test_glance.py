"""What a process that must not need the database may see of it: `node.database.glance` beside its SQLite adapter."""

from __future__ import annotations

from pathlib import Path

from node.database.glance import Glance
from node.database.sqlite import SqliteDatabase
from node.journal.cursors import advance
from tests.kit.clock import FrozenClock


def test_a_glance_sees_what_was_written_and_nothing_when_there_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "meridian.db"
    glance = Glance(path)
    assert glance.position("reader") is None
    database = SqliteDatabase(path, FrozenClock())
    assert glance.position("reader") == 0
    database.write([advance("reader", before=0, after=7)], "one")
    assert glance.position("reader") == 7
    database.write([advance("reader", before=7, after=9)], "two")
    assert glance.position("reader") == 9
    database.close()
    assert glance.position("reader") == 9
    path.unlink()
    assert glance.position("reader") is None
