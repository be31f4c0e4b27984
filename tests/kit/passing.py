"""As if time had passed for what a node's rows say is waiting: waits of a minute need not be waited for."""

from __future__ import annotations

from pathlib import Path

from tests.kit.rows import rows_of

_WAITING = (
    "UPDATE inbox SET at = at - ?1 WHERE state = 'early'",
    "UPDATE incoming SET asked_at = max(0, asked_at - ?1)",
    "UPDATE outbox SET at = at - ?1, deposited_at = deposited_at - ?1 WHERE state = 'deposited'",
)


def let_pass(state: Path, seconds: int) -> None:
    """Move when mail was left, began to wait, or was asked for again, so far into the past."""
    with rows_of(state) as rows:
        for sql in _WAITING:
            rows.execute(sql, (seconds * 1_000_000,))
