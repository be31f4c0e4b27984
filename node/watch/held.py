"""Whom studies are held for: every hold that is in force, by its reason, and how much stays online because of it."""

from __future__ import annotations

from dataclasses import dataclass

from node.archive.archived import NEEDS_A_COPY
from node.clock import Micros
from node.database.port import Database, Level, read_as
from node.errors import InvalidRequest
from node.names import NodeId, StudyKey, StudyUID

_IN_FORCE = " FROM hold JOIN study USING (origin, study_uid) WHERE (hold.until IS NULL OR hold.until > ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFor:
    """One reason: how many holds, of how many studies, and their bytes."""

    reason: str
    holds: int
    studies: int
    bytes: int

    @property
    def keeps_online(self) -> bool:
        """Whether it needs the online copy; others are content with a copy in the archive."""
        return self.reason not in NEEDS_A_COPY


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldStudy:
    """One hold of one study."""

    origin: NodeId
    study_uid: StudyUID
    reason: str
    who: str
    until: Micros | None
    bytes: int

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.origin, study_uid=self.study_uid)

    @property
    def cursor(self) -> str:
        """Where the next page begins."""
        return "\t".join((self.reason, self.origin, self.study_uid, self.who))


def held_for(database: Database, *, now: Micros) -> list[HeldFor]:
    """Give the reasons, the one that holds most first."""
    return read_as(
        database,
        HeldFor,
        "SELECT reason, sum(holds) AS holds, count(*) AS studies, sum(bytes) AS bytes FROM (SELECT reason,"
        f" count(*) AS holds, max(study.bytes) AS bytes{_IN_FORCE} GROUP BY reason, study.origin, study.study_uid)"
        " GROUP BY reason ORDER BY bytes DESC, reason",
        (now,),
        Level.WEAK,
    )


def list_held(database: Database, *, now: Micros, limit: int, after: str = "") -> list[HeldStudy]:
    """Give a page of holds by reason and study, from a cursor on.

    Raises
    ------
    InvalidRequest
        The cursor is none.
    """
    parts = after.split("\t") if after else ["", "", "", ""]
    if len(parts) != 4:
        raise InvalidRequest("Reading the list was refused: 'after' is not from this list. Load it again.")
    return read_as(
        database,
        HeldStudy,
        f"SELECT origin, study_uid, reason, who, until, study.bytes AS bytes{_IN_FORCE}"
        " AND (reason, origin, study_uid, who) > (?, ?, ?, ?) ORDER BY reason, origin, study_uid, who LIMIT ?",
        (now, *parts, limit),
        Level.WEAK,
    )
