"""How much lies in each tier and store, kept as one row a day, so that it is known how fast each grows.

The rows of a day are written over until it ends: the last look counts. Days are those of UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from node.archive.archived import VERIFIED
from node.archive.lifecycle.periods import DAY
from node.archive.lifecycle.totals import store_totals, tier_totals
from node.archive.stores.probing import Answer
from node.clock import Micros
from node.database.port import Database, Level, Statement, read_as
from node.failpoints import planted
from node.watch.growth import Look

ONLINE, ARCHIVE = "online", "archive"
KEPT_DAYS = 3 * 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What lies in one place; a row of table ``tier_size`` without its day."""

    place: str
    """``online``, ``archive`` (one copy of each package), ``store/NAME`` (verified copies)."""
    studies: int
    """Of a store: packages."""
    bytes: int
    room_bytes: int | None
    """Free there; None where nobody can say, or nobody answers."""
    at: Micros


def look(database: Database, answers: Iterable[Answer], *, free_bytes: int, now: Micros) -> list[Size]:
    """Count what lies where, now."""
    online = archive = online_bytes = archive_bytes = 0
    for tier in tier_totals(database):
        if tier.tier != "archived":
            online, online_bytes = online + tier.studies, online_bytes + tier.original_bytes
        if tier.tier != "online":
            archive, archive_bytes = archive + tier.studies, archive_bytes + tier.package_bytes
    held = {total.store: total for total in store_totals(database) if total.state == VERIFIED}
    sizes = [
        Size(place=ONLINE, studies=online, bytes=online_bytes, room_bytes=free_bytes, at=now),
        Size(place=ARCHIVE, studies=archive, bytes=archive_bytes, room_bytes=None, at=now),
    ]
    for answer in answers:
        total = held.get(answer.store)
        sizes.append(
            Size(
                place=f"store/{answer.store}",
                studies=total.copies if total else 0,
                bytes=total.bytes if total else 0,
                room_bytes=answer.room_bytes,
                at=now,
            )
        )
    return sizes


def keep(sizes: Iterable[Size]) -> list[Statement]:
    """Give the statements that keep a look as that of its day, and forget days long past."""
    statements = []
    for size in sizes:
        day = 0 if planted("one-size-for-all-days") else size.at // DAY
        statements.append(
            Statement(
                "INSERT INTO tier_size (day, place, studies, bytes, room_bytes, at) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (day, place) DO UPDATE SET studies = excluded.studies, bytes = excluded.bytes,"
                " room_bytes = excluded.room_bytes, at = excluded.at WHERE excluded.at >= tier_size.at",
                (day, size.place, size.studies, size.bytes, size.room_bytes, size.at),
            )
        )
        statements.append(
            Statement("DELETE FROM tier_size WHERE place = ? AND day < ?", (size.place, day - KEPT_DAYS))
        )
    return statements


def newest_sizes(database: Database) -> list[Size]:
    """Give the last look at each place, also at a store that is configured no more."""
    return read_as(
        database,
        Size,
        "SELECT place, studies, bytes, room_bytes, at FROM tier_size AS size WHERE day ="
        " (SELECT max(day) FROM tier_size WHERE place = size.place) ORDER BY place",
        (),
        Level.WEAK,
    )


def looks_at(database: Database, place: str, *, since: Micros) -> list[Look]:
    """Give how large a place was, day by day."""
    return read_as(
        database,
        Look,
        "SELECT at, bytes FROM tier_size WHERE place = ? AND day >= ? ORDER BY day",
        (place, since // DAY),
        Level.WEAK,
    )


def first_look(database: Database) -> Micros | None:
    """Give when anything was first looked at; None before that."""
    rows = read_as(database, Look, "SELECT at, bytes FROM tier_size ORDER BY day, place LIMIT 1", ())
    return rows[0].at if rows else None
