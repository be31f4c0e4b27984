"""Alarms that stand, as rows: each is a problem once, and that is settled when the alarm is.

A person who marks the problem as seen does not end the alarm, and is not told of it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from node.canonical import canonical_json
from node.clock import Micros
from node.database.port import Database, Statement, read_as
from node.errors import Damaged
from node.events import ProblemSettled
from node.names import Cause, Subject
from node.node import Node
from node.watch.alarms import Alarm
from node.watch.saying import say


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingAlarm:
    """An alarm, since when it stands, and the problem that shows it."""

    kind: str
    subject: str
    raised_at: Micros
    problem: str
    figures: str
    """JSON: whole numbers by name."""

    @property
    def name(self) -> tuple[str, str]:
        return self.kind, self.subject

    @property
    def numbers(self) -> dict[str, int]:
        """Its figures, as last looked at.

        Raises
        ------
        Damaged
            The row is not as it was written.
        """
        try:
            return msgspec.json.decode(self.figures, type=dict[str, int])
        except msgspec.MsgspecError as error:
            raise Damaged(f"Reading an alarm failed ({error}): run 'meridian verify'.") from error


def standing_alarms(database: Database) -> list[StandingAlarm]:
    """Give the alarms that stand, the newest first."""
    return read_as(database, StandingAlarm, "SELECT * FROM alarm ORDER BY raised_at DESC, kind, subject", ())


def let_stand(node: Node, found: Iterable[Alarm]) -> list[Statement]:
    """Give the statements after which just these alarms stand; none when that is so already.

    Of two who write them at once one meets a `Conflict`, so that nothing is said twice.
    """
    before = {alarm.name: alarm for alarm in standing_alarms(node.database)}
    now = {alarm.name: alarm for alarm in found}
    statements: list[Statement] = []
    for name, alarm in now.items():
        known = before.get(name)
        if known is None:
            statements += _raise(node, alarm)
        elif known.figures != canonical_json(alarm.figures):
            statements.append(
                Statement(
                    "UPDATE alarm SET figures = ? WHERE kind = ? AND subject = ?",
                    (canonical_json(alarm.figures), *name),
                )
            )
    for name, known in before.items():
        if name not in now:
            statements += _settle(node, known)
    return statements


def _raise(node: Node, alarm: Alarm) -> list[Statement]:
    shown = node.problem(alarm.kind, about=alarm.subject, detail=say(alarm), cause=Cause(node.new_id()))
    problem = str(shown[-1].params[0])
    row = Statement(
        "INSERT INTO alarm (kind, subject, raised_at, problem, figures) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (kind, subject) DO NOTHING",
        (alarm.kind, alarm.subject, node.now(), problem, canonical_json(alarm.figures)),
        expect=1,
    )
    return [*shown, row]


def _settle(node: Node, alarm: StandingAlarm) -> list[Statement]:
    """Let an alarm stand no more."""
    gone = Statement(
        "DELETE FROM alarm WHERE kind = ? AND subject = ? AND problem = ?",
        (*alarm.name, alarm.problem),
        expect=1,
    )
    seen = Statement(
        "UPDATE problem SET seen_at = ? WHERE id = ? AND seen_at IS NULL", (node.now(), alarm.problem)
    )
    event = ProblemSettled(kind=alarm.kind, about=alarm.subject)
    told = node.journal.append(
        Subject(f"problem/{alarm.problem}"), [event], after=1, cause=Cause(node.new_id())
    )
    return [gone, seen, *told]
