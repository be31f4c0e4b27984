"""Time and fresh names, from one place, so that tests can hold both still.

The journal and every decision count in microseconds UTC. DICOM dates stay text
as their hospital wrote them.
"""

from __future__ import annotations

import secrets
import time
from typing import Protocol

Micros = int
"""Microseconds since 1970-01-01 UTC."""
SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND


class Clock(Protocol):
    """Where the time of a decision comes from."""

    def now(self) -> Micros:
        """Give the time in microseconds UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> Micros:
        return time.time_ns() // 1000


def new_id(clock: Clock) -> str:
    """Draw a UUIDv7: sorts by time, 74 random bits.

    Source: RFC 9562 5.7.
    """
    value = (clock.now() // 1000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def new_uid() -> str:
    """Draw a DICOM UID below 2.25.

    Source: DICOM PS3.5 B.2.
    """
    return f"2.25.{secrets.randbits(122)}"
