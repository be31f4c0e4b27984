"""The database as the grid sees it: one atomic write, one read, nothing between.

There is no open transaction across calls because a replicated store has none.
Whoever must decide on what it read says so in the batch: a statement with
``expect`` undoes everything when it changes another number of rows.

A write has three outcomes: done, refused (`Conflict`, `InvalidRequest`) and
unknown (`OutcomeUnknown`). After the third nobody decides again: the same batch
is sent under the same key, and the key says whether it was applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

import msgspec

from node.errors import Damaged

Value = None | int | float | str
"""What a column holds: INTEGER, REAL or TEXT. No blobs, no dates of the database's own."""
Row = dict[str, Value]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement with positional parameters.

    ``expect`` is the number of rows it must change; ``refusal`` is what the
    `Conflict` says to a person when it does not.
    """

    sql: str
    params: tuple[Value, ...] = ()
    expect: int | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The batch is on disk; ``repeated`` when this key had been applied before."""

    repeated: bool = False


class Level(Enum):
    """How fresh a read must be; ``WEAK`` only for lists that may lag."""

    LINEARIZABLE = "linearizable"
    WEAK = "weak"


class Database(Protocol):
    """Two calls. Both may be made from any thread; whoever composed it closes it."""

    def write(self, statements: Sequence[Statement], key: str) -> Done:
        """Apply all statements or none, durably, once per key.

        Parameters
        ----------
        key
            Names this batch for 30 days; sending it again changes nothing and
            answers ``Done(repeated=True)``. Draw it with `new_id`, or derive it
            from what caused the write.

        Raises
        ------
        Conflict
            An ``expect`` or a unique key failed; nothing was written.
        InvalidRequest
            A statement is not of the subset; nothing was written.
        OutcomeUnknown
            Nobody knows; repeat the same batch under the same key.
        """

    def read(self, sql: str, params: Sequence[Value] = (), level: Level = Level.LINEARIZABLE) -> list[Row]:
        """Give the rows of one SELECT, as dicts by column name."""

    def close(self) -> None:
        """Finish what waits, then let go of the store."""


def read_as(
    database: Database,
    shape: type[T],
    sql: str,
    params: Sequence[Value] = (),
    level: Level = Level.LINEARIZABLE,
) -> list[T]:
    """Read rows straight into dataclasses whose fields are the column names.

    Raises
    ------
    Damaged
        A row does not fit the shape.
    """
    return [convert_row(row, shape) for row in database.read(sql, params, level)]


def convert_row(row: Row, shape: type[T]) -> T:
    """Turn one row into a dataclass; INTEGER 0 and 1 fill bool fields."""
    try:
        return msgspec.convert(row, shape, strict=False)
    except msgspec.ValidationError as error:
        raise Damaged(
            f"Reading a row as {shape.__name__} failed ({error}): run 'meridian verify'."
        ) from error


def text(row: Row, column: str) -> str:
    """The column as text; NULL is the empty text."""
    value = row[column]
    return "" if value is None else str(value)


def integer(row: Row, column: str) -> int:
    """The column as a whole number; NULL is 0."""
    value = row[column]
    return 0 if value is None else int(value)
