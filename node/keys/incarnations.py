"""Which life of a node counts its envelopes: a UUIDv7, so that a later life is greater as text.

A restored or cloned node begins a new one. Receivers take a greater incarnation
as new and a lesser one as a replay, so order matters more than the clock: where
the clock went back, the next one is drawn a millisecond after the last.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from node.clock import SECOND, Clock, Micros, new_id
from node.errors import InvalidRequest

_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_AHEAD_LIMIT: Micros = 366 * 24 * 3600 * SECOND


@dataclass(frozen=True, slots=True)
class _Still:
    """A clock that stands at one time."""

    at: Micros

    def now(self) -> Micros:
        return self.at


def is_incarnation(text: str) -> bool:
    """Say whether the text is a UUIDv7 in lower case.

    Source: RFC 9562 5.7.
    """
    return _SHAPE.fullmatch(text) is not None


def later_incarnation(clock: Clock, *earlier: str) -> str:
    """Draw an incarnation greater than the earlier ones; empty ones do not count.

    Raises
    ------
    InvalidRequest
        An earlier one is malformed, or more than a year ahead of the clock.
    """
    last = max(earlier, default="")
    if not last:
        return new_id(clock)
    if not all(is_incarnation(text) for text in earlier if text):
        raise InvalidRequest("Beginning a new incarnation was refused: the one before is malformed.")
    last_at = int(last.replace("-", "")[:12], 16) * 1000
    if last_at > clock.now() + _AHEAD_LIMIT:
        raise InvalidRequest(
            "Beginning a new incarnation was refused: the one before lies over a year ahead. Set the clock."
        )
    drawn = new_id(clock)
    return drawn if drawn > last else new_id(_Still(last_at + 1000))
