"""Keeps the leases of running jobs alive, from one thread that sleeps while nothing runs.

A job that runs longer than `LONGEST` is taken to hang: its lease is left to
lapse, and another worker tries.
"""

from __future__ import annotations

import threading
import time

import structlog

from actors.jobs.job_table import Job, JobTable
from node.errors import Conflict, Unavailable

LONGEST_S = 3600.0
_log = structlog.get_logger(__name__)


class Heartbeat:
    """Renews each held job three times per lease."""

    def __init__(self, table: JobTable) -> None:
        self._table = table
        self._every_s = table.lease_time / 3_000_000
        self._held: dict[str, tuple[Job, float]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def hold(self, job: Job) -> None:
        """Renew a job's lease until it is dropped."""
        with self._changed:
            self._held[job.id] = (job, time.monotonic())
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="job-heartbeat", daemon=True)
                self._thread.start()
            self._changed.notify()

    def drop(self, job: Job) -> None:
        """Renew it no longer."""
        with self._changed:
            self._held.pop(job.id, None)

    def close(self) -> None:
        """Stop renewing; what is still held lapses."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._held or self._closed)
                self._changed.wait_for(lambda: self._closed, timeout=self._every_s)
                if self._closed:
                    return
                held = list(self._held.values())
            for job, since in held:
                self._renew(job, since)

    def _renew(self, job: Job, since: float) -> None:
        if time.monotonic() - since > LONGEST_S:
            self.drop(job)
            _log.warning("job hangs", job=job.id, name=job.name, cause=job.cause)
            return
        try:
            self._table.renew(job)
        except Conflict:
            self.drop(job)  # done meanwhile, or lost: then its acknowledgement will be refused
        except Unavailable as error:
            _log.warning("lease not renewed", job=job.id, error=error.message)
