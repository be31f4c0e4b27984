"""A claim: the lease that one expert holds on a case, and its row at the pool's home.

The row says until when; it moves with each renewal and is no event. A claim
holds for as long as its row and its epoch stand: a reader's clock never ends
it, only an event that home writes in the batch that takes the row away. Every
statement here names epoch and time, so that whoever decided on an older claim is undone.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.clock import Micros
from node.database.port import Database, Statement, read_as

LOST = (
    "Changing the claim was refused: it lapsed, was renewed elsewhere, or another expert has the case."
    " Load the case; what was written is kept."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who holds a case; ``epoch`` is the fencing number, one more with every claim."""

    person: str
    name: str
    epoch: int
    until: Micros

    def held_by(self, person: str, epoch: int | None = None) -> bool:
        """Say whether a person holds it, and under this epoch when one is given."""
        return self.person == person and epoch in (None, self.epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueClaim:
    """A claim whose time has passed, as home finds it."""

    case_id: str
    epoch: int
    until: Micros


def peek_claim(database: Database, case_id: str) -> Claim | None:
    """Give the claim on a case as its row stands."""
    rows = read_as(
        database, Claim, "SELECT person, name, epoch, until FROM claim WHERE case_id = ?", (case_id,)
    )
    return rows[0] if rows else None


def due_claims(database: Database, now: Micros) -> list[DueClaim]:
    """Give the claims whose time has passed and that nobody renewed."""
    return read_as(
        database,
        DueClaim,
        "SELECT case_id, epoch, until FROM claim WHERE until <= ? ORDER BY until LIMIT 500",
        (now,),
    )


def put_claim(case_id: str, claim: Claim) -> Statement:
    """Give the statement that makes a claim's row; its batch is undone when there is one already."""
    return Statement(
        "INSERT INTO claim (case_id, person, name, epoch, until) VALUES (?, ?, ?, ?, ?)",
        (case_id, claim.person, claim.name, claim.epoch, claim.until),
        expect=1,
        refusal="Claiming the case was refused: another expert was first. Choose another.",
    )


def move_claim(case_id: str, claim: Claim, *, until: Micros) -> Statement:
    """Give the statement that renews a claim; never to an earlier time."""
    return Statement(
        "UPDATE claim SET until = max(until, ?) WHERE case_id = ? AND person = ? AND epoch = ?",
        (until, case_id, claim.person, claim.epoch),
        expect=1,
        refusal=LOST,
    )


def close_claim(case_id: str, claim: Claim) -> Statement:
    """Give the statement that ends a claim exactly as it was seen: not one renewed meanwhile."""
    return Statement(
        "DELETE FROM claim WHERE case_id = ? AND epoch = ? AND until = ?",
        (case_id, claim.epoch, claim.until),
        expect=1,
        refusal=LOST,
    )


def hold_claim(case_id: str, claim: Claim) -> Statement:
    """Give the guard of a batch that counts only while this claim stands."""
    return Statement(
        "UPDATE claim SET epoch = epoch WHERE case_id = ? AND person = ? AND epoch = ?",
        (case_id, claim.person, claim.epoch),
        expect=1,
        refusal=LOST,
    )
