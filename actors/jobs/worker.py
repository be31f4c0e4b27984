"""Runs jobs: dramatiq's worker inside this process (its own command would fork one process more).

In a process of its own, or on threads beside the rest of the node; both may run
at once, since a row belongs to whoever holds its lease.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType

import dramatiq

from actors.jobs.broker import JobBroker
from actors.jobs.job_table import LEASE, GivenUp, Job, JobTable
from actors.jobs.tasks import ARCHIVE, JOBS, TRANSFERS, bind
from node.archive.tier import QUEUE as ARCHIVE_QUEUE
from node.clock import Micros
from node.database.port import Statement
from node.node import Node
from node.transfers.transfers import QUEUE as TRANSFER_QUEUE

THREADS = 2
TRANSFER_THREADS = 3
ARCHIVE_THREADS = 2
"""So that a recall begins while a study is archived; both share the processes that code."""
WAKE_MS = 1000
"""How often dramatiq's threads look whether to stop."""
STOP_MS = 20_000
"""How long a job that runs may go on after the signal; a longer one is run again by the next worker."""


class JobWorker:
    """The worker threads of one process: some for most jobs, some for transfers, one for the archive."""

    def __init__(self, node: Node, *, threads: int = THREADS, lease: Micros = LEASE) -> None:
        # Its errors print what an exception says, which may be a patient's data; the broker logs each failure.
        logging.getLogger("dramatiq.worker.WorkerThread").setLevel(logging.CRITICAL)
        self._lines = (
            _Line(node, JOBS, "default", threads=threads, lease=lease),
            _Line(node, ARCHIVE, ARCHIVE_QUEUE, threads=ARCHIVE_THREADS, lease=lease),
            _Line(node, TRANSFERS, TRANSFER_QUEUE, threads=TRANSFER_THREADS, lease=lease),
        )

    def start(self) -> None:
        """Begin to run jobs."""
        for line in self._lines:
            line.start()

    def stop(self) -> None:
        """Finish what runs, give back what was not begun."""
        for line in self._lines:
            line.stop()


class _Line:
    """The threads of one queue."""

    def __init__(
        self, node: Node, jobs: Mapping[str, Callable[..., None]], queue: str, *, threads: int, lease: Micros
    ) -> None:
        table = JobTable(node.database, node.clock, lease=lease, given_up=given_up(node))
        self._broker = JobBroker(node.database, node.clock, node.bell, table=table, slots=threads)
        bind(self._broker, node, jobs, queue=queue)
        self._worker = dramatiq.Worker(self._broker, worker_threads=threads, worker_timeout=WAKE_MS)

    def start(self) -> None:
        self._broker.table.forget()
        self._worker.start()

    def stop(self) -> None:
        self._worker.stop(timeout=STOP_MS)
        self._broker.close()


def run_worker(node: Node, stop: threading.Event | None = None) -> None:
    """Run jobs until ``stop`` is set, or without one until SIGTERM or SIGINT (main thread only)."""
    stop = stop or _stop_on_signal()
    worker = JobWorker(node)
    worker.start()
    stop.wait()
    worker.stop()


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()

    def set_(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, set_)
    signal.signal(signal.SIGINT, set_)
    return stop


def given_up(node: Node) -> GivenUp:
    """Give what shows the administrator a job that was given up."""

    def tell(job: Job, error: str) -> list[Statement]:
        detail = f"Running job {job.name} was given up: {error}"
        return node.problem("job", about=f"job/{job.id}", detail=detail, cause=job.cause)

    return tell
