"""Studies of which a rebuild could not know all corrections: listed, and settled by an administrator who has looked.

Settling says that what a study shows is right; it changes nothing else. What was corrected and is lost is corrected again,
as any other correction. That a study is marked is an event, as that it was settled: a later rebuild, whose journal begins
behind what was lost, knows it still. One that has the lost blocks again knows nothing of the mark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from node.clock import Micros
from node.database.port import Database, Statement, integer, text
from node.errors import NotFound
from node.events import Event
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from node.people.accounts import Person
from node.people.audit import record_act
from node.people.roles import ADMINISTRATOR

_PAGE = 500
_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionsDoubted(Event):
    """A rebuild could not know all corrections of a study. Subject ``study/ORIGIN/UID``."""

    until: int
    """Up to when they are known; 0: none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionsSettled(Event):
    """A person looked at a study after a rebuild, and found right what it shows. Subject ``study/ORIGIN/UID``."""

    until: int
    """Up to when its corrections were known."""
    by: str


def unsettled_studies(database: Database) -> Iterator[tuple[StudyKey, Micros]]:
    """Give the studies of which not all corrections are known, and up to when they are."""
    after = ("", "")
    sql = (
        "SELECT origin, study_uid, corrections_until FROM study WHERE corrections_until IS NOT NULL"
        f" AND (origin, study_uid) > (?, ?) ORDER BY origin, study_uid LIMIT {_PAGE}"
    )
    while rows := database.read(sql, after):
        for row in rows:
            after = (text(row, "origin"), text(row, "study_uid"))
            yield (
                StudyKey(origin=NodeId(after[0]), study_uid=StudyUID(after[1])),
                integer(row, "corrections_until"),
            )


def count_unsettled(database: Database) -> int:
    """Give how many there are."""
    sql = "SELECT count(*) AS n FROM study WHERE corrections_until IS NOT NULL"
    return integer(database.read(sql)[0], "n")


def settle_corrections(node: Node, by: Person, keys: Sequence[StudyKey], *, address: str = "") -> int:
    """Settle studies, some a batch; give how many.

    Raises
    ------
    Refused
        She is no administrator here.
    NotFound
        One of them is not marked.
    Conflict
        One changed meanwhile; those before it are settled.
    """
    by.require(ADMINISTRATOR, act="Settling corrections")
    for at in range(0, len(keys), _AT_ONCE):
        statements: list[Statement] = []
        for key in keys[at : at + _AT_ONCE]:
            statements += _settled(node, by, key, address=address)
        node.write(statements)
    return len(keys)


def _settled(node: Node, by: Person, key: StudyKey, *, address: str) -> list[Statement]:
    rows = node.database.read(
        "SELECT corrections_until FROM study WHERE origin = ? AND study_uid = ? AND corrections_until IS NOT NULL",
        (key.origin, key.study_uid),
    )
    if not rows:
        raise NotFound("Settling corrections failed: all of this study's are known. Load the page again.")
    event = CorrectionsSettled(until=integer(rows[0], "corrections_until"), by=by.name)
    version = node.journal.version(key.subject)
    return [
        *node.journal.append(key.subject, [event], after=version, cause=Cause(node.new_id())),
        Statement(
            "UPDATE study SET corrections_until = NULL WHERE origin = ? AND study_uid = ?"
            " AND corrections_until IS NOT NULL",
            (key.origin, key.study_uid),
            expect=1,
            refusal="Settling corrections was refused: somebody else was first. Load the page again.",
        ),
        record_act(node, by, act="settle-corrections", subject=key.subject, address=address),
    ]
