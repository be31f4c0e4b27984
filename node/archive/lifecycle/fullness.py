"""How much must go before its time, what could, in the order of its last use; and what was said of that last. As rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from node.archive.lifecycle.facts import Tier
from node.archive.lifecycle.known import EARLY
from node.archive.lifecycle.pressure import to_free, to_free_on_disk
from node.archive.lifecycle.rules import Limits
from node.archive.lifecycle.totals import tier_totals
from node.canonical import canonical_json
from node.clock import Micros
from node.database.port import Database, Level, Statement, integer, text
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node

MOST_CANDIDATES = 20_000
"""So many of the least recently used are looked at; below these nothing that may go is left for long."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """Studies that stay for the reason they share, by its code."""

    why: str
    studies: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """The last time that the online tier was too large; ``ended_at`` None: it is still."""

    at: Micros
    online_bytes: int
    wanted_bytes: int
    freed_bytes: int
    short_bytes: int
    barred: tuple[Bar, ...]
    ended_at: Micros | None = None


def online_bytes(database: Database) -> int:
    """Give how much lies online, by rows of studies."""
    return sum(one.original_bytes for one in tier_totals(database) if one.tier is not Tier.ARCHIVED)


def wanted_bytes(node: Node, limits: Limits, *, online: int) -> int:
    """Give how much must go before its time, whichever is short: the limit or the disk."""
    free, reserve = node.packs.directory.free_bytes(), node.packs.reserve_bytes
    disk = to_free_on_disk(limits, free, reserve_bytes=reserve, going_bytes=0)
    if disk:
        disk = to_free_on_disk(limits, free, reserve_bytes=reserve, going_bytes=_going_bytes(node))
    return max(to_free(limits, online), disk)


def least_recently_used(database: Database) -> list[StudyKey]:
    """Give studies that lie online, those that were not used for longest first.

    One walk over ``study`` with three look-ups by keys each: 1.1 s with 200,000 studies and 400,000 reads, while something must go.
    """
    rows = database.read(
        "SELECT origin, study_uid, max(last_at,"
        " coalesce((SELECT max(at) FROM audit WHERE act = 'read-images'"
        " AND subject = 'study/' || study.origin || '/' || study.study_uid), 0),"
        " coalesce((SELECT max(coalesce(ended_at, began_at)) FROM recall WHERE recall.origin = study.origin"
        f" AND recall.study_uid = study.study_uid AND recall.state IN ('done', 'running') AND priority < {EARLY}), 0),"
        " coalesce((SELECT max(signed_at) FROM report WHERE report.origin = study.origin"
        " AND report.study_uid = study.study_uid), 0)) AS used FROM study WHERE instance_count > 0"
        " AND coalesce((SELECT online FROM archived WHERE archived.origin = study.origin"
        " AND archived.study_uid = study.study_uid ORDER BY generation DESC LIMIT 1), 1) > 0"
        " ORDER BY used, origin, study_uid LIMIT ?",
        (MOST_CANDIDATES,),
        Level.WEAK,
    )
    return [
        StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
        for row in rows
    ]


def peek_pressure(database: Database) -> Pressure | None:
    """Give what was said of the online tier's pressure last; None when there never was any."""
    rows = database.read("SELECT * FROM pressure")
    if not rows:
        return None
    (row,) = rows
    return Pressure(
        at=integer(row, "at"),
        online_bytes=integer(row, "online_bytes"),
        wanted_bytes=integer(row, "wanted_bytes"),
        freed_bytes=integer(row, "freed_bytes"),
        short_bytes=integer(row, "short_bytes"),
        barred=msgspec.json.decode(text(row, "barred"), type=tuple[Bar, ...]),
        ended_at=None if row["ended_at"] is None else integer(row, "ended_at"),
    )


def noted(found: Pressure) -> Statement:
    """Give the statement that keeps what came of a round, in place of the one before."""
    return Statement(
        "INSERT INTO pressure (id, at, online_bytes, wanted_bytes, freed_bytes, short_bytes, barred, ended_at)"
        " VALUES (1, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at,"
        " online_bytes = excluded.online_bytes, wanted_bytes = excluded.wanted_bytes, freed_bytes = excluded.freed_bytes,"
        " short_bytes = excluded.short_bytes, barred = excluded.barred, ended_at = excluded.ended_at",
        (
            found.at, found.online_bytes, found.wanted_bytes, found.freed_bytes, found.short_bytes,
            canonical_json(msgspec.to_builtins(found.barred)), found.ended_at,
        ),
    )  # fmt: skip


def over(now: Micros) -> Statement:
    """Give the statement that says that there is room again."""
    return Statement("UPDATE pressure SET ended_at = ?, short_bytes = 0 WHERE ended_at IS NULL", (now,))


def bars(counted: Mapping[str, tuple[int, int]]) -> tuple[Bar, ...]:
    """Give what bars, the most bytes first."""
    found: Iterable[Bar] = (Bar(why=why, studies=n, bytes=size) for why, (n, size) in counted.items())
    return tuple(sorted(found, key=lambda one: (-one.bytes, one.why)))


def in_words(barred: Sequence[Bar]) -> str:
    """Say what bars, for an administrator."""
    return ", ".join(f"{one.why}: {one.studies} studies, {one.bytes / 1e9:.1f} GB" for one in barred)


def _going_bytes(node: Node) -> int:
    """Add up the packs that no row means; they go within ten minutes."""
    size = 0
    for row in node.database.read("SELECT pack FROM retired_pack"):
        with suppress(FileNotFoundError):
            size += node.packs.path(text(row, "pack")).stat().st_size
    return size
