"""Each table is written again by a rebuild, copied from a backup, or may be lost: and somebody has said which."""

from __future__ import annotations

from pathlib import Path

from node.clock import SystemClock
from node.database.sqlite import SqliteDatabase
from ops.rebuild.tables import CONTENT, EXPORTED, LOCAL, REBUILT, WANTED

INNER = {"sqlite_sequence"}


def tables(folder: Path) -> set[str]:
    database = SqliteDatabase(folder / "meridian.db", SystemClock())
    rows = database.read("SELECT name FROM sqlite_schema WHERE type = 'table'")
    database.close()
    return {str(row["name"]) for row in rows} - INNER


def unsaid(known: set[str]) -> set[str]:
    """Give tables of which nobody has said how a rebuild treats them."""
    return known - set(REBUILT) - CONTENT - WANTED - LOCAL


def test_of_each_table_it_is_said_where_it_comes_from_once(tmp_path: Path) -> None:
    known = tables(tmp_path)
    assert unsaid(known) == set()
    said = [*REBUILT, *CONTENT, *WANTED, *LOCAL]
    assert sorted(said) == sorted(known)
    viewed = {"online_instance", "archived_series"}  # exported as the view of both
    assert set(EXPORTED) == set(REBUILT) - {"lifecycle", "retired_pack"} - viewed | {"instance"}


def test_a_planted_table_of_which_nothing_is_said_is_caught(tmp_path: Path) -> None:
    assert unsaid({*tables(tmp_path), "forgotten"}) == {"forgotten"}
