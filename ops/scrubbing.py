"""A scrub of everything that somebody watches: how far it is, and what it came to in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from node.archive.lifecycle.periods import DAY
from node.archive.scrub.coverage import RECENT_DAYS, TierCoverage, coverage
from node.archive.scrub.scrubbing import Scrubbed, scrub_all
from node.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a scrub came to."""

    lines: list[str]
    lost: int
    """Instances and copies of which nothing whole is left, found now or before."""


def scrub_now(node: Node, watched: TextIO) -> Report:
    """Scrub everything; on a terminal, say how far it is."""

    def tell(done: Scrubbed) -> None:
        if watched.isatty():
            said = (
                f"{done.packs} packs, {done.copies} copies, {done.bytes / 1e6:.0f} MB, {done.damaged} damaged"
            )
            watched.write(f"\r{said}")
            watched.flush()

    done = scrub_all(node, tell)
    if watched.isatty():
        watched.write("\n")
    found = coverage(node)
    lost = found.online.lost + found.archive.lost
    lines = [
        _covered("packs", found.online),
        _covered("copies of packages", found.archive),
        f"Found {done.damaged} damaged, healed {done.healed}.",
    ]
    if lost:
        lines.append(f"{lost} are lost; Node > Problems lists them and says what to do.")
    return Report(lines=lines, lost=lost)


def _covered(name: str, tier: TierCoverage) -> str:
    age = "" if tier.oldest_age is None else f", the oldest {tier.oldest_age / DAY:.1f} days ago"
    return (
        f"{tier.count} {name}, {tier.bytes / 1e6:.1f} MB: {tier.recent} verified within {RECENT_DAYS} days{age};"
        f" until now {tier.healed} healed, {tier.damaged} damaged, {tier.lost} lost."
    )
