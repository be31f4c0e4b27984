"""Says when a study is complete: as many instances as announced, or a quiet period.

Reads: studies that are receiving. Tells: nobody. Writes: `StudyCompleted` and the
study's state, one batch a study.

A study from a peer waits for its origin's count, since a link that was cut is
quiet too. Nothing is called complete while its instances lie unregistered in a
pack: after a restart the last arrival is long ago.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.base import Failed, Follower
from node.catalogue.search import StudyRow
from node.clock import SECOND, Micros
from node.database.port import Statement, integer, read_as
from node.errors import Conflict, Damaged, InvalidRequest, NotFound
from node.events import StudyCompleted
from node.journal.cursors import position
from node.names import NodeId, StudyUID
from node.node import Node
from node.store.packs import index_cursor

QUIET, COUNT = "quiet", "announced count"
_BEHIND_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """When a study counts as complete, and why; ``at`` None: not by waiting."""

    at: Micros | None
    reason: str


def due(study: StudyRow, *, own: NodeId, quiet: Micros) -> Due:
    """Decide when a receiving study is complete."""
    if study.expected is not None and study.instance_count >= study.expected > 0:
        return Due(at=0, reason=COUNT)
    if study.origin != own:
        return Due(at=None, reason=COUNT)
    return Due(at=study.last_at + quiet, reason=QUIET)


class Completion(Follower):
    """Sleeps until the next study is due."""

    NAME = "completion"
    POLL_S = 10.0
    SPACING_S = 0.05

    def __init__(self, failed: Failed, node: Node) -> None:
        super().__init__(failed)
        self._node = node
        self._quiet = round(node.config.study.quiet_s * SECOND)

    def step(self) -> float | None:
        """Complete what is due; give the time until the next one is."""
        node, waits = self._node, [self.POLL_S]
        now = node.now()  # once: what becomes due between two looks would be in neither
        unregistered: set[StudyUID] | None = None
        for study in self._candidates(now):
            when = due(study, own=node.id, quiet=self._quiet)
            if when.at is None or when.at > now:
                continue
            if unregistered is None:
                unregistered = self._unregistered()
            if study.study_uid in unregistered:
                waits.append(_BEHIND_S)
            elif not self._complete(study, when.reason):
                waits.append(0)
        return min([*waits, *self._next_quiet(now)])

    def _candidates(self, now: Micros) -> list[StudyRow]:
        """Give studies that may be due: of thousands that are on their way a few, found by indexes of their own."""
        node = self._node
        counted = read_as(
            node.database,
            StudyRow,
            "SELECT * FROM study INDEXED BY study_all_here"
            " WHERE state = 'receiving' AND expected > 0 AND instance_count >= expected",
        )
        quiet = read_as(
            node.database,
            StudyRow,
            "SELECT * FROM study INDEXED BY study_receiving"
            " WHERE state = 'receiving' AND last_at <= ? AND origin = ? ORDER BY last_at",
            (now - self._quiet, node.id),
        )
        return list({study.key: study for study in (*counted, *quiet)}.values())

    def _next_quiet(self, now: Micros) -> list[float]:
        """Give how long it is until the next study has been quiet for long enough; nothing when none is waited for."""
        node = self._node
        rows = node.database.read(
            "SELECT last_at FROM study INDEXED BY study_receiving"
            " WHERE state = 'receiving' AND last_at > ? AND origin = ? ORDER BY last_at LIMIT 1",
            (now - self._quiet, node.id),
        )
        return [(integer(row, "last_at") + self._quiet - now) / SECOND for row in rows]

    def _complete(self, study: StudyRow, reason: str) -> bool:
        """Write it, unless more has come meanwhile."""
        node, subject = self._node, study.key.subject
        event = StudyCompleted(instances=study.instance_count, reason=reason)
        version = node.journal.version(subject)
        statement = Statement(
            "UPDATE study SET state = 'complete', completed_at = (SELECT at FROM journal WHERE subject = ?"
            " AND version = ?) WHERE origin = ? AND study_uid = ? AND state = 'receiving' AND last_at = ?"
            " AND instance_count = ?",
            (
                subject,
                version + 1,
                study.origin,
                study.study_uid,
                study.last_at,
                study.instance_count,
            ),
            expect=1,
        )
        try:
            node.write([*node.journal.append(subject, [event], after=version, cause=study.cause), statement])
        except Conflict:
            return False
        return True

    def _unregistered(self) -> set[StudyUID]:
        """Give the studies that a pack holds more of than the catalogue knows."""
        node, behind = self._node, set()
        for pack in node.packs.landing():
            try:
                record = next(
                    iter(node.packs.marked(pack, position(node.database, index_cursor(pack)))), None
                )
            except (Damaged, InvalidRequest, NotFound):
                continue  # shown by ingest; waiting would not make it whole
            if record is not None:
                behind.add(record.facts.study_uid)
        return behind
