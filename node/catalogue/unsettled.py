"""Studies of which a rebuild could not know all corrections: listed, and settled by an administrator who has looked.

Settling says that what a study shows is right; it changes nothing else. What was corrected and is lost is corrected again,
as any other correction. That a study is marked is an event, as that it was settled: a later rebuild, whose journal begins
behind what was lost, knows it still. One that has the lost blocks again knows nothing of the mark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from node.clock import Micros
from node.database.port import Database, Statement, integer, text
from node.errors import Conflict, NotFound
from node.events import Event
from node.failpoints import planted
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from node.people.accounts import Person
from node.people.audit import record_act
from node.people.roles import ADMINISTRATOR

MOST = 500
"""So many are settled by one call of `settle_every`; a page asks again and shows how far it is."""
_PAGE = 500
_AT_ONCE = 50
_TRIES = 5


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


def settle_every(node: Node, by: Person, *, told: int, most: int = MOST, address: str = "") -> int:
    """Settle studies that are marked, whichever they are; give how many were.

    Parameters
    ----------
    told
        How many she was told are marked, and said yes to; fewer may be.

    Raises
    ------
    Refused
        She is no administrator here.
    Conflict
        More are marked than she was told; or one kept changing, then those before it are settled.
    """
    by.require(ADMINISTRATOR, act="Settling corrections")
    marked = count_unsettled(node.database)
    if marked > told and not planted("settles-more-than-told"):
        raise Conflict(
            f"Settling corrections was refused: {marked} studies are marked now, not {told}. Load the page again."
        )
    done = 0
    while done < most:
        keys = [key for key, _ in islice(unsettled_studies(node.database), min(_AT_ONCE, most - done))]
        if not keys:
            break
        done += _settle_some(node, by, keys, address=address)
    return done


def _settle_some(node: Node, by: Person, keys: Sequence[StudyKey], *, address: str) -> int:
    """Settle those of some studies that are marked still; instances that come meanwhile are no reason to give up."""
    for tried in range(_TRIES):
        marked = [key for key in keys if _until(node, key) is not None]
        try:
            return settle_corrections(node, by, marked, address=address)
        except (Conflict, NotFound):
            if tried == _TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _until(node: Node, key: StudyKey) -> Micros | None:
    rows = node.database.read(
        "SELECT corrections_until FROM study WHERE origin = ? AND study_uid = ? AND corrections_until IS NOT NULL",
        (key.origin, key.study_uid),
    )
    return integer(rows[0], "corrections_until") if rows else None


def _settled(node: Node, by: Person, key: StudyKey, *, address: str) -> list[Statement]:
    until = _until(node, key)
    if until is None:
        raise NotFound("Settling corrections failed: all of this study's are known. Load the page again.")
    event = CorrectionsSettled(until=until, by=by.name)
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
