"""What happens to studies next by the rules, read from what was decided: online copies that go, retention that ends."""

from __future__ import annotations

from dataclasses import dataclass

from node.archive.archived import NEEDS_A_COPY
from node.clock import Micros
from node.database.port import Database, Level, integer, read_as
from node.errors import InvalidRequest
from node.names import NodeId, StudyKey, StudyUID

_LEAVING = (
    " FROM lifecycle INDEXED BY lifecycle_next JOIN study ON study.origin = lifecycle.origin"
    " AND study.study_uid = lifecycle.study_uid"
    " WHERE lifecycle.next_at <= ? AND lifecycle.reason = 'young' AND NOT EXISTS (SELECT 1 FROM hold"
    " WHERE hold.origin = lifecycle.origin AND hold.study_uid = lifecycle.study_uid"
    f" AND hold.reason NOT IN ({', '.join(repr(reason) for reason in NEEDS_A_COPY)})"
    " AND (hold.until IS NULL OR hold.until > lifecycle.next_at))"
)
"""Online copies that go until then, unless somebody reads or holds them meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """A study whose online copy goes; it stays in the archive."""

    at: Micros
    origin: NodeId
    study_uid: StudyUID
    bytes: int

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.origin, study_uid=self.study_uid)

    @property
    def cursor(self) -> str:
        """Where the next page begins."""
        return f"{self.at}/{self.origin}/{self.study_uid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """How many studies, and their bytes online."""

    studies: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionClass:
    """Archived studies that are kept for so many years, and whose time is over by then."""

    years: int
    studies: int
    bytes: int
    """Of their newest packages, one copy each."""
    first_at: Micros


def leaving_total(database: Database, *, until: Micros) -> Total:
    """Count what leaves the online tier until then."""
    sql = f"SELECT count(*) AS studies, coalesce(sum(study.bytes), 0) AS bytes{_LEAVING}"
    (found,) = read_as(database, Total, sql, (until,), Level.WEAK)
    return found


def list_leaving(database: Database, *, until: Micros, limit: int, after: str = "") -> list[Leaving]:
    """Give what leaves the online tier until then, the first to go first, from a cursor on.

    Raises
    ------
    InvalidRequest
        The cursor is none.
    """
    at, origin, study_uid = _read_cursor(after)
    sql = (
        f"SELECT lifecycle.next_at AS at, study.origin, study.study_uid, study.bytes{_LEAVING}"
        " AND (lifecycle.next_at, lifecycle.origin, lifecycle.study_uid) > (?, ?, ?)"
        " ORDER BY lifecycle.next_at, lifecycle.origin, lifecycle.study_uid LIMIT ?"
    )
    return read_as(database, Leaving, sql, (until, at, origin, study_uid, limit), Level.WEAK)


def retention_ending(database: Database, *, until: Micros) -> list[RetentionClass]:
    """Give the archived studies whose retention ends until then or has ended, by the years they are kept."""
    return read_as(
        database,
        RetentionClass,
        "SELECT coalesce(figures ->> 'years', 0) AS years, count(*) AS studies, coalesce(sum(archived.bytes), 0) AS bytes,"
        " min(figures ->> 'over_at') AS first_at FROM lifecycle JOIN archived ON archived.origin = lifecycle.origin"
        " AND archived.study_uid = lifecycle.study_uid AND archived.generation = (SELECT max(generation) FROM archived"
        " AS newest WHERE newest.origin = lifecycle.origin AND newest.study_uid = lifecycle.study_uid)"
        " WHERE (reason = 'over' OR (reason = 'retained' AND next_at <= ?)) AND figures ->> 'over_at' IS NOT NULL"
        " GROUP BY 1 ORDER BY 1",
        (until,),
        Level.WEAK,
    )


def over_now(database: Database) -> int:
    """Count the studies whose retention is over; nothing is deleted for that alone."""
    (row,) = database.read("SELECT count(*) AS n FROM lifecycle WHERE reason = 'over'", level=Level.WEAK)
    return integer(row, "n")


def _read_cursor(after: str) -> tuple[int, str, str]:
    if not after:
        return -1, "", ""
    at, _, rest = after.partition("/")
    origin, _, study_uid = rest.partition("/")
    if not (at.isascii() and at.isdigit() and len(at) < 19 and origin and study_uid):
        raise InvalidRequest("Reading the list was refused: 'after' is not from this list. Load it again.")
    return int(at), origin, study_uid
