"""Carrying out a transfer: begun by one, ended once, tried again when that may help.

The row decides: a job that finds it ended, or carried out by somebody else, does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from node.clock import MINUTE, SECOND, Micros
from node.database.port import Statement
from node.dimse.remote_form import Remote
from node.dimse.remotes import peek_remote_by_id
from node.errors import Conflict, GridError, InvalidRequest, NotFound, Refused, Unavailable
from node.failpoints import failpoint
from node.node import Node
from node.transfers.progress import Progress
from node.transfers.transfers import ENDED, FRESH, Transfer, end_event, get_transfer, job_of

BACK_OFF: tuple[Micros, ...] = (5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 60 * MINUTE)
"""Wait after the first, second, ... failure; the last one repeats."""
ATTEMPTS = 12
"""About half a day; then a person must ask for it."""

Carry = Callable[[Transfer, Remote, Progress], str]
"""Does the work; gives words when it is done only in part, raises what went wrong."""


def carry_out(node: Node, transfer_id: str, carry: Carry) -> None:
    """Carry out a transfer and write how it went; doing it again finds it done.

    Raises
    ------
    Unavailable
        Somebody else is at it now.
    NotFound
        It is not here any more.
    """
    one = _begun(node, transfer_id)
    if one is None:
        return
    remote = peek_remote_by_id(node.database, one.remote)
    progress = Progress(node, one)
    words = ""
    error: GridError | None = None
    if remote is None or not remote.enabled:
        error = Refused(
            f"The transfer was given up: {one.remote_name} was removed or switched off. Choose another."
        )
    else:
        try:
            with progress:
                words = carry(one, remote, progress)
        except GridError as trouble:
            error = trouble
    failpoint("transferred")
    _settle(node, one, progress, words=words, error=error)


def _begun(node: Node, transfer_id: str) -> Transfer | None:
    """Take it up; None when there is nothing to do, or not yet."""
    one = get_transfer(node.database, transfer_id)
    now = node.now()
    if one.state in ENDED or now < one.next_at:
        return None
    if one.state == "running" and now - one.seen_at < FRESH:
        raise Unavailable(
            "Carrying out a transfer was put off: another process is at it. It is looked at again."
        )
    try:
        node.write(
            [
                Statement(
                    "UPDATE transfer SET state = 'running', attempts = attempts + 1, seen_at = ?, failed = 0,"
                    " began_at = coalesce(began_at, ?) WHERE id = ? AND state = ? AND seen_at = ? AND stop = 0",
                    (now, now, one.id, one.state, one.seen_at),
                    expect=1,
                )
            ]
        )
    except Conflict:
        return None
    return get_transfer(node.database, transfer_id)


def _settle(node: Node, one: Transfer, progress: Progress, *, words: str, error: GridError | None) -> None:
    figures = progress.figures
    now = node.now()
    state, next_at, again = _outcome(one, words, error, stopped=progress.stopped, now=now)
    said = error.message if error is not None else words
    one = replace(one, done=figures.done, failed=figures.failed, bytes=figures.bytes)
    statements = [
        Statement(
            "UPDATE transfer SET state = ?, asked = ?, done = ?, warned = ?, failed = ?, bytes = ?, words = ?,"
            " next_at = ?, seen_at = ?, ended_at = ? WHERE id = ? AND state = 'running' AND attempts = ?",
            (
                state, figures.asked, figures.done, figures.warned, figures.failed, figures.bytes,
                "" if state in ("done", "cancelled") and error is not None else said,
                next_at, now, None if again else now, one.id, one.attempts,
            ),
            expect=1,
        )
    ]  # fmt: skip
    if again:
        statements.append(job_of(node, one, key=f"{node.new_id()}", not_before=next_at))
    else:
        statements += end_event(node, one, state=state)
    try:
        node.write(statements)
    except Conflict:
        if get_transfer(node.database, one.id).state == "running":
            raise


def _outcome(
    one: Transfer, words: str, error: GridError | None, *, stopped: bool, now: Micros
) -> tuple[str, Micros, bool]:
    """Give the state, when it is tried again, and whether it is."""
    if stopped:
        return "cancelled", now, False
    if error is None:
        return ("failed" if words else "done"), now, False
    if isinstance(error, InvalidRequest | NotFound | Refused) or one.attempts >= ATTEMPTS:
        return "failed", now, False
    return "waiting", now + BACK_OFF[min(one.attempts, len(BACK_OFF)) - 1], True
