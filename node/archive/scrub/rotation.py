"""What is compared next, in both tiers: what was verified longest ago; and how far that has come, as rows.

A pack counts as verified when it was begun: its bytes were hashed on their way in. What was merged, recalled or healed
was read back when it was written, which its name says too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from node.archive.archived import VERIFIED, CopyRow
from node.archive.copies import copy_subject
from node.clock import Micros
from node.database.port import Statement, integer, read_as, text
from node.node import Node
from node.store.directory import is_damaged

AT_ONCE = 200
WHOLE, BROKEN, GONE_ASIDE = "whole", "damaged", "aside"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRow:
    """How far a pack is compared: a row of table ``scrubbed``."""

    pack: str
    bytes: int
    verified_at: Micros
    position: int
    state: str


def enrol(node: Node) -> None:
    """Write down packs that rows mean and nobody knows yet, and forget those that none means; open ones wait."""
    landing = set(node.packs.landing())
    meant = {pack for pack in _meant(node) if not is_damaged(pack)} - landing
    rows = node.database.read("SELECT pack, state FROM scrubbed")
    known = {text(row, "pack") for row in rows}
    stale = {text(row, "pack") for row in rows if text(row, "state") == WHOLE} - meant
    statements = [enrolled(node, pack, verified_at=begun_at(pack)) for pack in sorted(meant - known)]
    statements += [
        Statement("DELETE FROM scrubbed WHERE pack = ? AND state = ?", (pack, WHOLE))
        for pack in sorted(stale)
    ]
    for at in range(0, len(statements), 500):
        node.database.write(statements[at : at + 500], node.new_id())


def enrolled(node: Node, pack: str, *, verified_at: Micros) -> Statement:
    """Give the statement that takes a pack into the rotation."""
    try:
        size = node.packs.directory.path(pack).stat().st_size
    except FileNotFoundError:
        size = 0
    return Statement(
        "INSERT INTO scrubbed (pack, bytes, verified_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (pack, size, verified_at),
    )


def due(node: Node, *, before: Micros) -> list[PackRow | CopyRow]:
    """Give packs and copies that were verified last before a time, the oldest first; some at a time."""
    packs = read_as(
        node.database,
        PackRow,
        "SELECT * FROM scrubbed WHERE state = ? AND verified_at < ?"
        " AND NOT EXISTS (SELECT 1 FROM scrub_later WHERE subject = 'pack/' || pack AND until > ?)"
        " ORDER BY verified_at, pack LIMIT ?",
        (WHOLE, before, node.now(), AT_ONCE),
    )
    found: list[PackRow | CopyRow] = [*packs, *_due_copies(node, before=before)]
    return sorted(found, key=lambda one: one.verified_at)[:AT_ONCE]


def _due_copies(node: Node, *, before: Micros) -> list[CopyRow]:
    stores = [store.name for store in node.archive.stores]
    return read_as(
        node.database,
        CopyRow,
        "SELECT * FROM package_copy WHERE state = ? AND verified_at < ?"
        f" AND store IN ({', '.join('?' * len(stores))})"
        " AND NOT EXISTS (SELECT 1 FROM scrub_later WHERE until > ? AND"
        " subject IN ('store/' || store, 'store/' || store || '/' || package_copy.digest))"
        " ORDER BY verified_at, digest, store LIMIT ?",
        (VERIFIED, before, *stores, node.now(), AT_ONCE),
    )


def pack_verified(node: Node, pack: str) -> Statement:
    """Say that all of a pack was compared now."""
    return Statement(
        "UPDATE scrubbed SET verified_at = ?, position = 0 WHERE pack = ? AND state = ?",
        (node.now(), pack, WHOLE),
    )


def pack_reached(pack: str, position: int) -> Statement:
    """Say how far a pack was compared."""
    return Statement("UPDATE scrubbed SET position = ? WHERE pack = ? AND state = ?", (position, pack, WHOLE))


def pack_forgotten(pack: str) -> Statement:
    """Take a pack that no row means out of the rotation."""
    return Statement("DELETE FROM scrubbed WHERE pack = ? AND state = ?", (pack, WHOLE))


def copy_verified(node: Node, copy: CopyRow) -> Statement:
    """Say that a copy was read back and compared now."""
    return Statement(
        "UPDATE package_copy SET verified_at = ?, state = ? WHERE digest = ? AND store = ? AND stored = ?",
        (node.now(), VERIFIED, copy.digest, copy.store, copy.stored),
    )


def later(subject: str, until: Micros) -> Statement:
    """Leave something alone until a time."""
    return Statement(
        "INSERT INTO scrub_later (subject, until) VALUES (?, ?)"
        " ON CONFLICT (subject) DO UPDATE SET until = excluded.until",
        (subject, until),
    )


def is_later(node: Node, subject: str) -> bool:
    """Say whether something is to be left alone for now."""
    sql = "SELECT 1 AS waits FROM scrub_later WHERE subject = ? AND until > ?"
    return bool(node.database.read(sql, (subject, node.now())))


def later_copy(copy: CopyRow, until: Micros, *, store: bool) -> Statement:
    """Leave a copy, or its whole store, alone until a time."""
    return later(f"store/{copy.store}" if store else copy_subject(copy), until)


def tidy_later(node: Node) -> Statement:
    """Forget what need not wait any more."""
    return Statement("DELETE FROM scrub_later WHERE until <= ?", (node.now(),))


def _meant(node: Node) -> Iterator[str]:
    """Give the packs that rows mean, one look each into the index: there are many instances to a pack."""
    rows = node.database.read(
        "WITH RECURSIVE meant (pack) AS (SELECT min(pack) FROM online_instance UNION ALL"
        " SELECT (SELECT min(pack) FROM online_instance WHERE pack > meant.pack) FROM meant WHERE meant.pack IS NOT NULL)"
        " SELECT pack FROM meant WHERE pack IS NOT NULL"
    )
    for row in rows:
        yield text(row, "pack")


def begun_at(pack: str) -> Micros:
    """Read the time in a pack's name. Source: RFC 9562 5.7."""
    return (UUID(pack.partition("-")[2]).int >> 80) * 1000


def oldest(node: Node) -> Micros | None:
    """Give when what was verified longest ago was; None when there is nothing."""
    (row,) = node.database.read(
        "SELECT min(at) AS at FROM (SELECT min(verified_at) AS at FROM scrubbed WHERE state = ?"
        " UNION ALL SELECT min(verified_at) FROM package_copy WHERE state = ?)",
        (WHOLE, VERIFIED),
    )
    return None if row["at"] is None else integer(row, "at")
