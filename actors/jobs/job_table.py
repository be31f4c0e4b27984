"""Table `job` as a queue: lease, renew, finish, fail, each one compare-and-set on the lease's epoch.

Whoever leases a row raises its epoch; whoever comes back with an older one is
refused, so a worker that was thought dead cannot overwrite its successor. A
lease lapses by the node's clock unless it is renewed, which is how the work of
a killed process comes back. Who runs the jobs, and on which thread, is not
decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from node.clock import MINUTE, SECOND, Clock, Micros, new_id
from node.database.port import Database, Statement, Value, integer, read_as
from node.errors import Conflict
from node.names import Cause

LEASE: Micros = 15 * SECOND
BACK_OFF: tuple[Micros, ...] = (
    1 * SECOND,
    5 * SECOND,
    30 * SECOND,
    2 * MINUTE,
    10 * MINUTE,
    60 * MINUTE,
    6 * 60 * MINUTE,
)
"""Wait after the first, second, ... failure; the last one repeats."""
ATTEMPTS = 18
"""A job is given up after this many, about three days."""
KEEP: Micros = 30 * 24 * 60 * MINUTE
"""Finished rows stay this long, so that a command that asks again changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One leased row; ``epoch`` is the fencing number of this lease, ``args`` canonical JSON."""

    id: str
    queue: str
    name: str
    args: str
    cause: Cause
    attempts: int
    epoch: int
    at: Micros

    @property
    def keywords(self) -> dict[str, str | int]:
        return msgspec.json.decode(self.args, type=dict[str, str | int])


GivenUp = Callable[[Job, str], list[Statement]]
"""What else to write when a job fails for good: the problem that the administrator sees."""


def nothing_more(_job: Job, _error: str) -> list[Statement]:
    """Write nothing else."""
    return []


class JobTable:
    """The queue; safe to use from any thread and from several processes."""

    def __init__(
        self, database: Database, clock: Clock, *, lease: Micros = LEASE, given_up: GivenUp = nothing_more
    ) -> None:
        self._database = database
        self._clock = clock
        self._given_up = given_up
        self._holder = new_id(clock)
        self.lease_time = lease

    def lease(self, queue: str) -> Job | None:
        """Take the most urgent job that is due; None when there is none."""
        for job in self._due(queue):
            if job.attempts >= ATTEMPTS:
                self._give_up(job, "its worker ended each time. Read the log, then ask for it again.")
                continue
            taken = replace(job, epoch=job.epoch + 1, attempts=job.attempts + 1)
            try:
                self._move(
                    job,
                    "state = 'leased', epoch = ?, attempts = ?, lease_until = ?",
                    (taken.epoch, taken.attempts, self._clock.now() + self.lease_time),
                    step=f"lease/{self._holder}",
                    from_="state IN ('waiting', 'leased')",
                )
            except Conflict:
                continue
            return taken
        return None

    def next_due(self, queue: str) -> Micros | None:
        """Give when the next job will be due; None when none waits and none is leased."""
        rows = self._database.read(
            "SELECT min(due) AS due FROM"
            " (SELECT min(not_before) AS due FROM job WHERE queue = ? AND state = 'waiting'"
            " UNION ALL SELECT min(lease_until) FROM job WHERE queue = ? AND state = 'leased')",
            (queue, queue),
        )
        return None if rows[0]["due"] is None else integer(rows[0], "due")

    def renew(self, job: Job) -> None:
        """Hold a lease for longer.

        Raises
        ------
        Conflict
            It lapsed and another worker has the job.
        """
        until = self._clock.now() + self.lease_time
        self._move(job, "lease_until = ?", (until,), step=f"renew/{until}")

    def finish(self, job: Job) -> None:
        """Mark a job done; raises `Conflict` when its lease was lost."""
        self._move(job, "state = 'done', lease_until = NULL", (), step="done")

    def fail(self, job: Job, error: str, *, for_good: bool) -> None:
        """Let a job wait for its next attempt, or give it up; raises `Conflict` when its lease was lost.

        ``error`` holds no patient data: it is shown.
        """
        if for_good or job.attempts >= ATTEMPTS:
            self._give_up(job, error)
            return
        wait = BACK_OFF[min(job.attempts, len(BACK_OFF)) - 1]
        self._move(
            job,
            "state = 'waiting', lease_until = NULL, not_before = ?, last_error = ?",
            (self._clock.now() + wait, error),
            step="failed",
        )

    def release(self, job: Job) -> None:
        """Give a job back that was not begun; raises `Conflict` when its lease was lost."""
        self._move(
            job,
            "state = 'waiting', lease_until = NULL, attempts = ?",
            (job.attempts - 1,),
            step="released",
        )

    def forget(self) -> None:
        """Drop rows of jobs that were done long ago."""
        self._database.write(
            [Statement("DELETE FROM job WHERE state = 'done' AND at < ?", (self._clock.now() - KEEP,))],
            new_id(self._clock),
        )

    def _due(self, queue: str) -> list[Job]:
        now = self._clock.now()
        columns = "id, queue, name, args, cause, attempts, epoch, at, priority"
        return read_as(
            self._database,
            Job,
            "SELECT id, queue, name, args, cause, attempts, epoch, at FROM"
            f" (SELECT {columns} FROM job WHERE queue = ? AND state = 'waiting' AND not_before <= ?"
            f" UNION ALL SELECT {columns} FROM job WHERE queue = ? AND state = 'leased' AND lease_until <= ?)"
            " ORDER BY priority, at, id LIMIT 16",
            (queue, now, queue, now),
        )

    def _give_up(self, job: Job, error: str) -> None:
        self._move(
            job,
            "state = 'failed', lease_until = NULL, last_error = ?",
            (error,),
            step="given-up",
            also=self._given_up(job, error),
        )

    def _move(
        self,
        job: Job,
        change: str,
        params: tuple[Value, ...],
        *,
        step: str,
        from_: str = "state = 'leased'",
        also: list[Statement] | None = None,
    ) -> None:
        """Change a row if its epoch is still this job's; the key makes a repeat harmless."""
        move = Statement(
            f"UPDATE job SET {change} WHERE id = ? AND epoch = ? AND {from_}",
            (*params, job.id, job.epoch),
            expect=1,
            refusal=f"Moving job {job.id} was refused: its lease lapsed and another worker has it."
            " Leave the outcome to that one.",
        )
        self._database.write([move, *(also or [])], f"job/{job.id}/{job.epoch}/{step}")
