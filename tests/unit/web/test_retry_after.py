"""When a program is told to ask again."""

from __future__ import annotations

from node.clock import SECOND
from node.errors import NotReady, Unavailable
from web.errors import LATEST_S, SOON_S, retry_after_s

NOW = 1_781_524_800_000_000


def not_ready(ready_at: int) -> NotReady:
    return NotReady("Reading was put off.", ready_at=ready_at)


def test_what_is_on_its_way_is_asked_for_when_it_is_there() -> None:
    assert retry_after_s(not_ready(NOW + 90 * SECOND), now=NOW) == 90
    assert retry_after_s(not_ready(NOW + 89 * SECOND + 1), now=NOW) == 90


def test_never_at_once_and_never_in_days() -> None:
    assert retry_after_s(not_ready(NOW - SECOND), now=NOW) == SOON_S
    assert retry_after_s(not_ready(NOW + 10**6 * SECOND), now=NOW) == LATEST_S
    assert retry_after_s(Unavailable("The database is away."), now=NOW) == SOON_S
