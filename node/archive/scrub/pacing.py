"""How fast and when the scrub reads, so that nobody notices it. Pure: time comes as an argument."""

from __future__ import annotations

import re

STEP_S = 2.0
"""A step reads as much as its rate gives in this time."""
_LEAST_STEP_BYTES = 1 << 20
_WINDOW = re.compile(r"([01]?\d|2[0-3])-([01]?\d|2[0-4])")


def step_bytes(mb_per_s: float) -> int:
    """Give how much one step reads; it ends with the record, or the package, that passes this."""
    return max(_LEAST_STEP_BYTES, int(mb_per_s * 1_000_000 * STEP_S))


def pause_s(read_bytes: int, *, spent_s: float, mb_per_s: float) -> float:
    """Give how long to wait after reading so much in so long, for the rate to hold in the mean."""
    return max(0.0, read_bytes / (mb_per_s * 1_000_000) - spent_s)


def is_window(text: str) -> bool:
    """Say whether a text names hours of a day, as ``20-6``; empty for all of it."""
    return not text or _WINDOW.fullmatch(text) is not None


def is_open(window: str, hour: int) -> bool:
    """Say whether an hour of the day, 0 to 23, lies in a window; ``20-6`` goes past midnight."""
    found = _WINDOW.fullmatch(window)
    if found is None:
        return True
    begin, end = int(found[1]), int(found[2])
    return begin <= hour < end if begin < end else hour >= begin or hour < end
