"""A node's rows as somebody sees, and changes, who has the files: beside its processes, past every rule."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def rows_of(state: Path) -> Iterator[sqlite3.Connection]:
    """Open a node's database; what was changed is there for its processes when this ends."""
    with closing(sqlite3.connect(state / "meridian.db", timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        with connection:
            yield connection


def read_rows(state: Path, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
    with rows_of(state) as connection:
        return [dict(row) for row in connection.execute(sql, params)]


def change_rows(state: Path, sql: str, params: Sequence[Any] = ()) -> int:
    """Give how many rows were changed."""
    with rows_of(state) as connection:
        return connection.execute(sql, params).rowcount
