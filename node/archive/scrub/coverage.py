"""How much of each tier was compared lately, and what came of it: for people who look after a node."""

from __future__ import annotations

from dataclasses import dataclass

from node.archive.lifecycle.periods import DAY
from node.archive.scrub.damage import FOUND, HEALED, LOST
from node.clock import Micros
from node.database.port import integer, text
from node.node import Node

RECENT_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class TierCoverage:
    """One tier: packs online, copies of packages in the archive."""

    count: int
    bytes: int
    recent: int
    """Verified within 30 days."""
    recent_bytes: int
    oldest_age: Micros | None
    """How long ago what was verified longest ago was; None when there is nothing."""
    damaged: int
    """Known to be damaged and not healed yet: instances online, copies in the archive."""
    healed: int
    lost: int
    """Of which nothing whole is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Both tiers."""

    online: TierCoverage
    archive: TierCoverage


def coverage(node: Node) -> Coverage:
    """Say how far the scrub has come; packs of the last hour may be missing."""
    return Coverage(
        online=_tier(node, "online", "scrubbed WHERE state = 'whole'"),
        archive=_tier(node, "archive", "package_copy WHERE state = 'verified'"),
    )


def _tier(node: Node, tier: str, table: str) -> TierCoverage:
    since = node.now() - RECENT_DAYS * DAY
    (row,) = node.database.read(
        "SELECT count(*) AS n, sum(bytes) AS bytes, sum(verified_at >= ?) AS recent,"
        f" sum(CASE WHEN verified_at >= ? THEN bytes ELSE 0 END) AS recent_bytes, min(verified_at) AS oldest FROM {table}",
        (since, since),
    )
    states = {
        text(each, "state"): integer(each, "n")
        for each in node.database.read(
            "SELECT state, count(*) AS n FROM damage WHERE tier = ? GROUP BY state", (tier,)
        )
    }
    return TierCoverage(
        count=integer(row, "n"),
        bytes=integer(row, "bytes"),
        recent=integer(row, "recent"),
        recent_bytes=integer(row, "recent_bytes"),
        oldest_age=None if row["oldest"] is None else max(0, node.now() - integer(row, "oldest")),
        damaged=states.get(FOUND, 0),
        healed=states.get(HEALED, 0),
        lost=states.get(LOST, 0),
    )
