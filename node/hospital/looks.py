"""When worklists are asked, about which day, and what came of it.

From noon on the next day is meant, before noon the day itself: the evening brings what was booked, the early morning what came
since. A look that was missed, because the node was off, is made up for, the newest only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from node.clock import MINUTE, SECOND, Micros
from node.database.port import Database, Statement, read_as
from node.node import Node

DONE, FAILED = "done", "failed"
NOON = time(12)
LISTED = 20
KEPT: Micros = 60 * 24 * 60 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A row of table ``look_ahead``: what a remote AE's worklist said of a day at the last look."""

    remote: str
    day: str
    """ISO 8601."""
    at: Micros
    state: str
    patients: int = 0
    """Expected."""
    known: int = 0
    """... of whom studies are held here; none at all means that the issuer is another."""
    studies: int = 0
    """Asked back for them, in all looks of that day."""
    whole: int = 1
    """0 when there were more patients than were taken."""
    unreadable: int = 0
    """Answers that could not be read, or name nobody."""
    words: str = ""
    """Why it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A look that is due: its time as configured, and the day it is about."""

    at: datetime
    day: date


def latest_due(now: datetime, times: Sequence[str]) -> Due | None:
    """Give the newest look whose time has come; None without times. Pure.

    Parameters
    ----------
    now
        In the hospital's zone.
    times
        Of the day, as ``18:00``.
    """
    came = [at for at in _around(now, times) if at <= now]
    return Due(at=(at := max(came)), day=at.date() + timedelta(days=int(at.time() >= NOON))) if came else None


def next_due(now: datetime, times: Sequence[str]) -> datetime | None:
    """Give when the next look comes; as `latest_due`."""
    return min((at for at in _around(now, times) if at > now), default=None)


def _around(now: datetime, times: Sequence[str]) -> list[datetime]:
    """Give the times of yesterday, today and tomorrow."""
    return [
        datetime.combine(now.date() + timedelta(days=days), time.fromisoformat(each), now.tzinfo)
        for days in (-1, 0, 1)
        for each in times
    ]


def day_asked_about(node: Node) -> date:
    """Give the day that a look of now is about; without times, today."""
    now = local_now(node)
    due = latest_due(now, node.config.archive.worklist_at)
    return now.date() if due is None else due.day


def local_now(node: Node) -> datetime:
    """Give the time of day in the hospital's zone."""
    return datetime.fromtimestamp(node.now() / SECOND, ZoneInfo(node.config.node.zone))


def list_looks(database: Database, remote: str, *, limit: int = LISTED) -> list[Look]:
    """Give what a remote AE's worklist said, of the newest days first."""
    return read_as(
        database, Look, "SELECT * FROM look_ahead WHERE remote = ? ORDER BY day DESC LIMIT ?", (remote, limit)
    )


def note_look(look: Look) -> list[Statement]:
    """Keep what came of a look; studies of earlier looks of that day are counted on, and what was once said is not unsaid."""
    return [
        Statement(
            "INSERT INTO look_ahead (remote, day, at, state, patients, known, studies, whole, unreadable, words)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (remote, day) DO UPDATE SET at = excluded.at,"
            " state = excluded.state, patients = max(patients, excluded.patients),"
            " known = max(known, excluded.known),"
            " studies = studies + excluded.studies, whole = excluded.whole,"
            " unreadable = excluded.unreadable, words = excluded.words",
            (
                look.remote, look.day, look.at, look.state, look.patients, look.known, look.studies, look.whole,
                look.unreadable, look.words,
            ),
        ),
        Statement("DELETE FROM look_ahead WHERE at < ?", (look.at - KEPT,)),
    ]  # fmt: skip
