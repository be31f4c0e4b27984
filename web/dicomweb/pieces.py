"""What answers are made of: bytes, runs of bytes in pack files, and bytes that are made when their turn comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from node.store import regions
from node.store.regions import Region
from web.threads import Threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Made(regions.Made):
    """Bytes that are made when their turn comes, in threads that may burn a core."""

    threads: Threads = field(compare=False)


Piece = bytes | Region | Made


def read_pieces(pieces: Sequence[Piece]) -> bytes:
    """Read everything; for what is small. Blocks."""
    return b"".join(
        piece.give() if isinstance(piece, Made) else regions.read_pieces([piece]) for piece in pieces
    )


def part_of_region(region: Region, first: int, last: int) -> Region:
    """Give what lies between two places of a region, wherever it is by then."""

    def again() -> Region | None:
        moved = region.again() if region.again is not None else None
        return None if moved is None else part_of_region(moved, first, last)

    return replace(region, offset=region.offset + first, length=last - first, again=again)
