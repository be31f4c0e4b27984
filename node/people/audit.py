"""Who did what, when, from where, and whether it was let: one row for each act.

A row says no more than ids: no names, no words that somebody typed. Rows are
only ever added; how long they are kept is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from node.clock import Micros
from node.database.port import Database, Statement, read_as
from node.node import Node

Outcome = Literal["done", "refused"]


class Acting(Protocol):
    """Whoever acts; only the id is kept."""

    @property
    def id(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One row; ``person`` is empty when nobody was signed in."""

    id: str
    at: Micros
    person: str
    act: str
    subject: str
    outcome: Outcome
    address: str


def record_act(
    node: Node, person: Acting | None, *, act: str, subject: str, outcome: Outcome = "done", address: str = ""
) -> Statement:
    """Give the statement for an act, for the batch that carries it out."""
    return Statement(
        "INSERT INTO audit (id, at, person, act, subject, outcome, address) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (node.new_id(), node.now(), "" if person is None else person.id, act, subject, outcome, address),
    )


def find_acts(database: Database, *, limit: int = 200, before: str | None = None) -> list[Act]:
    """Give the newest acts first; ``before`` is the id that the last page ended with."""
    return read_as(
        database,
        Act,
        "SELECT id, at, person, act, subject, outcome, address FROM audit WHERE (? IS NULL OR id < ?)"
        " ORDER BY id DESC LIMIT ?",
        (before, before, limit),
    )
