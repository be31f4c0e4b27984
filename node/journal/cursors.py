"""How far each reader has got, durably.

A cursor moves in the batch that holds the reader's effects, by compare-and-set,
so that two of a kind are safe: the slower one's batch is undone.
"""

from __future__ import annotations

from node.database.port import Database, Statement, integer


def position(database: Database, reader: str) -> int:
    """Give a reader's position; 0 before its first step."""
    rows = database.read("SELECT position FROM cursor WHERE reader = ?", (reader,))
    return integer(rows[0], "position") if rows else 0


def advance(reader: str, *, before: int, after: int) -> Statement:
    """Give the statement that moves a cursor; its batch is undone when another moved it first."""
    refusal = f"Moving cursor {reader} was refused: another reader moved it first."
    if before == 0:
        return Statement(
            "INSERT INTO cursor (reader, position) VALUES (?, ?) ON CONFLICT (reader) DO UPDATE"
            " SET position = excluded.position WHERE cursor.position = 0",
            (reader, after),
            expect=1,
            refusal=refusal,
        )
    return Statement(
        "UPDATE cursor SET position = ? WHERE reader = ? AND position = ?",
        (after, reader, before),
        expect=1,
        refusal=refusal,
    )
