"""What was decided last about a study's copies, as its row in table ``lifecycle`` says it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from node.archive.lifecycle.facts import Hold
from node.clock import Micros
from node.database.port import Database, Row, integer, text
from node.errors import Damaged
from node.names import StudyKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision by its name and the code of its reason; ``next_at`` None: until something is known that was not."""

    decision: str
    reason: str
    figures: dict[str, int]
    rule: str
    hold: Hold | None
    decided_at: Micros
    next_at: Micros | None
    words: str = ""
    """Why it could not be done when that was tried last."""
    failures: int = 0
    """How often in a row."""


def peek_decided(database: Database, key: StudyKey) -> Decided | None:
    """Give what was decided about a study; None before anything was."""
    rows = database.read(
        "SELECT * FROM lifecycle WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )
    return _decided(rows[0]) if rows else None


def _decided(row: Row) -> Decided:
    """Read a row: its ``figures`` are whole numbers by name, and ``rule`` and ``hold`` where the reason has them."""
    try:
        written = msgspec.json.decode(text(row, "figures") or "{}", type=dict[str, object])
        figures = {name: value for name, value in written.items() if type(value) is int}
        hold = msgspec.convert(written.get("hold"), Hold | None)
    except msgspec.MsgspecError as error:
        raise Damaged(f"Reading a decision failed ({error}): run 'meridian verify'.") from error
    return Decided(
        decision=text(row, "decision"),
        reason=text(row, "reason"),
        figures=figures,
        rule=str(written.get("rule", "")),
        hold=hold,
        decided_at=integer(row, "decided_at"),
        next_at=None if row["next_at"] is None else integer(row, "next_at"),
        words=text(row, "words"),
        failures=integer(row, "failures"),
    )
