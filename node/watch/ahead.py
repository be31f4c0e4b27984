"""The newest forecast of the tiers, as a row: made once a day, and when the rules for copies change.

It reads the facts of all studies in one walk. They are not as exact as those that decisions rest on: a study counts as
packaged as a whole when its package has as many instances. Measured with 200,000 studies: 6 s, and 13 MB more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from node.archive.archived import NEEDS_A_COPY
from node.archive.lifecycle.facts import Hold, Kind, State, StudyFacts, Tier
from node.archive.lifecycle.forecast import Day, forecast
from node.archive.lifecycle.known import EARLY, OLD_DAYS
from node.archive.lifecycle.periods import DAY, day_of
from node.archive.lifecycle.rules import Rules
from node.canonical import canonical_json
from node.clock import Micros
from node.database.port import Database, Level, Row, Statement, integer, read_as, text
from node.errors import Damaged
from node.names import NodeId, StudyKey, StudyUID

DAYS = 180
PAGE = 2_000
_PAGE = (
    "SELECT study.origin, study.study_uid, study.modalities, study.department, study.study_date, study.bytes,"
    " study.instance_count, study.state, study.first_at, study.last_at, study.rejected, archived.online AS online,"
    " archived.bytes AS package_bytes, archived.instances AS packaged,"
    " (SELECT max(at) FROM audit WHERE act = 'read-images'"
    " AND subject = 'study/' || study.origin || '/' || study.study_uid) AS read_at,"
    " (SELECT max(ended_at) FROM recall WHERE recall.origin = study.origin AND recall.study_uid = study.study_uid"
    f" AND recall.state = 'done' AND recall.priority < {EARLY}) AS recalled_at,"
    " (SELECT max(ended_at) FROM recall WHERE recall.origin = study.origin AND recall.study_uid = study.study_uid"
    f" AND recall.state = 'done' AND recall.priority >= {EARLY}) AS brought_at,"
    " (SELECT max(signed_at) FROM report WHERE report.origin = study.origin AND report.study_uid = study.study_uid)"
    " AS reported_at FROM study LEFT JOIN archived ON archived.origin = study.origin"
    " AND archived.study_uid = study.study_uid AND archived.generation = (SELECT max(generation) FROM archived AS newest"
    " WHERE newest.origin = study.origin AND newest.study_uid = study.study_uid)"
    " WHERE (study.origin, study.study_uid) > (?, ?) AND study.instance_count > 0"
    " ORDER BY study.origin, study.study_uid LIMIT ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """A forecast as it was made."""

    made_at: Micros
    rules: int
    """Version of the rules it was made by."""
    studies: int
    arriving_bytes: int
    """A day, lately."""
    days: tuple[Day, ...]


def make_forecast(database: Database, rules: Rules, *, own: NodeId, now: Micros) -> list[Statement]:
    """Give the statements by which a new forecast takes the place of the last."""
    made = forecast(all_facts(database, own=own), rules, now=now, days=DAYS)
    days = canonical_json([[day.at, day.online_bytes, day.archive_bytes] for day in made.days])
    row = Statement(
        "INSERT INTO tier_forecast (made_at, rules, studies, arriving_bytes, days) VALUES (?, ?, ?, ?, ?)",
        (now, rules.version, made.studies, made.arriving_bytes, days),
    )
    return [Statement("DELETE FROM tier_forecast"), row]


def peek_forecast(database: Database) -> Ahead | None:
    """Give the newest forecast; None before there is one."""
    rows = database.read("SELECT * FROM tier_forecast ORDER BY made_at DESC LIMIT 1", level=Level.WEAK)
    if not rows:
        return None
    (row,) = rows
    try:
        days = msgspec.json.decode(text(row, "days"), type=list[tuple[int, int, int]])
    except msgspec.MsgspecError as error:
        raise Damaged(
            f"Reading the forecast failed ({error}): wait a day for the next, or run 'meridian verify'."
        ) from error
    return Ahead(
        made_at=integer(row, "made_at"),
        rules=integer(row, "rules"),
        studies=integer(row, "studies"),
        arriving_bytes=integer(row, "arriving_bytes"),
        days=tuple(Day(at=at, online_bytes=online, archive_bytes=archive) for at, online, archive in days),
    )


def all_facts(database: Database, *, own: NodeId) -> Iterator[StudyFacts]:
    """Give what is known of every study, a page at a time; those of peers are not archived, like rejected ones."""
    holds = _holds(database)
    origin, study_uid = "", ""
    while rows := database.read(_PAGE, (origin, study_uid, PAGE), level=Level.WEAK):
        for row in rows:
            yield _facts(row, holds, own=own)
        origin, study_uid = text(rows[-1], "origin"), text(rows[-1], "study_uid")


def _facts(row: Row, holds: dict[StudyKey, tuple[Hold, ...]], *, own: NodeId) -> StudyFacts:
    key = StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
    first_at, last_at = integer(row, "first_at"), integer(row, "last_at")
    packaged = _known(row, "packaged")
    tier = Tier.ONLINE if packaged is None else Tier.BOTH if row["online"] else Tier.ARCHIVED
    day = day_of(text(row, "study_date"))
    return StudyFacts(
        origin=key.origin,
        study_uid=key.study_uid,
        modalities=tuple(msgspec.json.decode(text(row, "modalities"), type=list[str])),
        department=text(row, "department"),
        study_date=text(row, "study_date"),
        bytes=integer(row, "bytes"),
        instances=integer(row, "instance_count"),
        state=State.COMPLETE if row["state"] == State.COMPLETE else State.RECEIVING,
        first_at=first_at,
        last_at=last_at,
        read_at=max((at for name in ("read_at", "recalled_at") if (at := _known(row, name))), default=None),
        reported_at=_known(row, "reported_at"),
        brought_at=_known(row, "brought_at"),
        tier=tier,
        packaged=(packaged or 0) >= integer(row, "instance_count"),
        package_bytes=_known(row, "package_bytes") or 0,
        holds=holds.get(key, ()),
        backfilled=day is not None and first_at // DAY - day > OLD_DAYS,
        rejected=bool(row["rejected"]) or key.origin != own,
    )


def _known(row: Row, name: str) -> int | None:
    return None if row[name] is None else integer(row, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _HoldRow:
    origin: NodeId
    study_uid: StudyUID
    reason: str
    who: str
    until: Micros | None


def _holds(database: Database) -> dict[StudyKey, tuple[Hold, ...]]:
    found: dict[StudyKey, tuple[Hold, ...]] = {}
    for row in read_as(database, _HoldRow, "SELECT * FROM hold", (), Level.WEAK):
        key = StudyKey(origin=row.origin, study_uid=row.study_uid)
        kind = Kind.COPY if row.reason in NEEDS_A_COPY else Kind.ONLINE
        found[key] = (
            *found.get(key, ()),
            Hold(reason=row.reason, who=row.who, until=row.until, kind=kind),
        )
    return found
