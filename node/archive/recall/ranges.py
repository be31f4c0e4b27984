"""How much of a package is fetched for a recall: ranges of it, or all. Pure.

A package is fetched by blocks of 1 MiB: what a sealed one opens by, so that nothing is fetched, and opened, twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from node.failpoints import planted

BLOCK_BYTES = 1 << 20
RUN_BLOCKS = 8
"""Fetched by one read at most: what is in memory of a member, however large it is."""
REQUEST_BLOCKS = 1
"""What a store gives in the time that it takes to begin: 20 ms at 50 MB/s."""
_OPENING_BLOCKS = 2
"""Directory and manifest, mostly."""


class Span(NamedTuple):
    """Bytes of a package, up to ``end``."""

    begin: int
    end: int

    @property
    def blocks(self) -> range:
        """Those that hold some of it."""
        return range(self.begin // BLOCK_BYTES, -(-self.end // BLOCK_BYTES))


def by_ranges(first: Iterable[tuple[int, int]], *, size: int, online_bytes: int) -> bool:
    """Say whether ranges of a package are read for a recall, and not all of it; decided before anything is read.

    By what is wanted first, since somebody waits for that; what follows comes by the same way, each block once. Members
    lie in the order of their numbers, so each run of numbers is one range, and costs what its bytes cost, a request,
    and the halves of blocks at its ends. All of it is fetched where that is no more than a third dearer: it is then
    compared with the package's own digest, and damage anywhere in it is found while it can still be healed.

    Parameters
    ----------
    first
        Number and original size of each member that is wanted first.
    size, online_bytes
        Of the package, and of all its originals.
    """
    if planted("always-whole"):
        return False
    wanted = dict(first)
    runs = sum(1 for number in wanted if number - 1 not in wanted)
    members = sum(wanted.values()) * size // max(1, online_bytes)
    cost = members + (runs * (REQUEST_BLOCKS + 1) + _OPENING_BLOCKS) * BLOCK_BYTES
    return 4 * cost <= 3 * size


def runs(spans: Iterable[Span], known: Collection[int]) -> list[range]:
    """Give the blocks to fetch, in as few reads as pay: what lies between two is fetched where that takes no longer than asking again."""
    found: list[range] = []
    for block in sorted({block for span in spans for block in span.blocks if block not in known}):
        if found and _joins(found[-1], block, known):
            found[-1] = range(found[-1].start, block + 1)
        else:
            found.append(range(block, block + 1))
    return found


def _joins(run: range, block: int, known: Collection[int]) -> bool:
    between = range(run.stop, block)
    near = len(between) <= REQUEST_BLOCKS and not any(each in known for each in between)
    return near and block - run.start < RUN_BLOCKS
