"""What alarms rest on, gathered from rows, from the disk and from stores; and the alarms written down.

The online tier is full when it is as large as its limit without the reserve, or when its disk has the reserve left only,
whichever comes first. An archive in the state folder grows on the same disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from node.archive.lifecycle.forecast import Day, first_above
from node.archive.lifecycle.periods import DAY
from node.archive.lifecycle.rules import Limits
from node.archive.lifecycle.ruling import effective_rules
from node.archive.stores.probing import Answer
from node.clock import Micros
from node.node import Node
from node.watch.ahead import make_forecast, peek_forecast
from node.watch.alarms import Filled, Rest, Watched, alarms
from node.watch.backups import last_backup, last_drill
from node.watch.growth import growth, used_up_at
from node.watch.sizes import Size, first_look, keep, look, looks_at
from node.watch.standing import let_stand, standing_alarms

MEGABYTE = 1 << 20
LATELY_DAYS = 30
FORECAST_EVERY: Micros = DAY


def watch(node: Node, answers: Sequence[Answer]) -> None:
    """Look at everything once: sizes kept, a forecast where one is due, alarms raised and settled."""
    now, free = node.now(), free_bytes(node)
    sizes = look(node.database, answers, free_bytes=free, now=now)
    node.write(keep(sizes))
    _forecast_when_due(node, now=now)
    watched = gather(node, sizes, free=free, now=now)
    standing = [alarm.name for alarm in standing_alarms(node.database)]
    statements = let_stand(node, alarms(watched, standing, now=now))
    if statements:
        node.write(statements)


def free_bytes(node: Node) -> int:
    """Give how much is free on the disk of the online tier."""
    return shutil.disk_usage(node.state).free


def reserve_bytes(node: Node) -> int:
    """Give how much of the online tier's disk is never used."""
    return node.config.storage.reserve_mb * MEGABYTE


def gather(node: Node, sizes: Sequence[Size], *, free: int, now: Micros) -> Watched:
    """Say how things are."""
    drill = last_drill(node.database)
    backup = last_backup(node.database)
    since = first_look(node.database) or now
    full = online_full(node, free=free, now=now)
    rules = node.config.backup
    return Watched(
        node=node.id,
        online_bytes=next((size.bytes for size in sizes if size.place == "online"), 0),
        online_full_at=None if full is None else full.at,
        disk_room_bytes=free,
        reserve_bytes=reserve_bytes(node),
        stores=tuple(_filled(node, size, now=now) for size in sizes if size.place.startswith("store/")),
        backup=Rest(days=rules.within_days, last_at=None if backup is None else backup.at, since=since),
        drill=Rest(days=rules.drill_within_days, last_at=None if drill is None else drill.at, since=since),
        drill_differences=0 if drill is None else drill.differences,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """The first day on which the online tier has no room left, and by what: ``limit`` or ``disk``."""

    at: Micros
    by: str


def online_full(node: Node, *, free: int, now: Micros) -> Full | None:
    """Say when the online tier has no room left, by the newest forecast; None: not within it."""
    ahead = peek_forecast(node.database)
    if ahead is None:
        return None
    days = [day for day in ahead.days if day.at > now - DAY]
    firsts = {
        "limit": first_above(days, limit_bytes(effective_rules(node).limits)),
        "disk": disk_full_at(node, days, free=free),
    }
    found = [Full(at=at, by=by) for by, at in firsts.items() if at is not None]
    return min(found, key=lambda full: full.at, default=None)


def limit_bytes(limits: Limits) -> int:
    """Give how large the online tier may be, without what is kept free below; 0: no limit is set."""
    return limits.online_bytes and limits.online_bytes - limits.reserve_bytes


def disk_full_at(node: Node, days: Sequence[Day], *, free: int) -> Micros | None:
    """Give the first day on which the disk of the online tier has its reserve left only."""
    if not days:
        return None
    shared = shares_disk(node)
    room = free - reserve_bytes(node)
    first = _on_disk(days[0], shared=shared)
    return next((day.at for day in days if _on_disk(day, shared=shared) - first > room), None)


def shares_disk(node: Node) -> bool:
    """Say whether packages lie in the state folder, on the same disk as the packs."""
    return not node.config.archive.store


def _on_disk(day: Day, *, shared: bool) -> int:
    return day.online_bytes + (day.archive_bytes if shared else 0)


def _filled(node: Node, size: Size, *, now: Micros) -> Filled:
    looks = looks_at(node.database, size.place, since=now - LATELY_DAYS * DAY)
    grown = growth(looks, days=LATELY_DAYS, now=now)
    return Filled(
        name=size.place.removeprefix("store/"),
        room_bytes=size.room_bytes,
        full_at=used_up_at(size.room_bytes, grown, now=now),
    )


def _forecast_when_due(node: Node, *, now: Micros) -> None:
    rules = effective_rules(node)
    ahead = peek_forecast(node.database)
    if ahead is None or ahead.rules != rules.version or not 0 <= now - ahead.made_at < FORECAST_EVERY:
        node.write(make_forecast(node.database, rules, own=node.id, now=now))
