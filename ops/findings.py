"""What `meridian verify` says, and how it reads tables that may be long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from node.clock import SECOND, Micros
from node.database.port import Database, Row

PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it was written."""

    where: str
    """The file, row or record."""
    what: str
    todo: str = ""
    """Empty when ``what`` says it already."""

    @property
    def line(self) -> str:
        """As a person reads it."""
        return f"{self.where}: {self.what}; {self.todo}." if self.todo else f"{self.where}: {self.what}"


def moment(at: Micros) -> str:
    """Give a time as administrators read it."""
    return f"{datetime.fromtimestamp(at / SECOND, UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "none"


def pages(
    database: Database, table: str, *, columns: str, key: Sequence[str], where: str = "1"
) -> Iterator[Row]:
    """Give all rows in the order of their key, a few at a time, so that none of it is ever whole in memory.

    Parameters
    ----------
    key
        Columns that name a row; ``columns`` holds them.
    """
    order, marks = ", ".join(key), ", ".join("?" * len(key))
    sql = f"SELECT {columns} FROM {table} WHERE {where}"
    rows = database.read(f"{sql} ORDER BY {order} LIMIT {PAGE}")
    while rows:
        yield from rows
        after = tuple(rows[-1][name] for name in key)
        rows = database.read(f"{sql} AND ({order}) > ({marks}) ORDER BY {order} LIMIT {PAGE}", after)


def lasting(faults: Callable[[], list[str]]) -> list[str]:
    """Give the faults that are found twice: what changes while it is looked at is none."""
    first = faults()
    return [what for what in first if what in faults()] if first else []
