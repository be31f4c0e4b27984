"""A dramatiq broker whose queue is table `job`.

Reads: due rows. Tells: dramatiq's worker threads. Writes: the rows' state.

A row is enqueued by whoever wrote it (`node.journal.jobs.enqueue`, in the batch
of the event that asks for it) and needs no other delivery: a consumer looks at
every ring of the bell, when the next row falls due, and every few seconds in
any case. Retries are the row's own, so dramatiq's middleware for them, its
delay queues and its results are not used. JSON only.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable

import dramatiq
import structlog
from dramatiq.broker import MessageProxy
from dramatiq.errors import BrokerConnectionError

from actors.jobs.heartbeat import Heartbeat
from actors.jobs.job_table import Job, JobTable
from node.bell import Bell
from node.clock import Clock, new_id
from node.database.port import Database
from node.errors import Conflict, GridError, InvalidRequest, NotFound, Refused, Unavailable
from node.journal.jobs import enqueue
from node.names import Cause

POLL_S = 3.0
_LEAST_WAIT_S = 0.05
_log = structlog.get_logger(__name__)


class JobBroker(dramatiq.Broker):
    """Hands job rows to dramatiq.

    ``slots`` is the number of jobs leased at once: that of the worker's threads, since a row leased ahead of
    time would only be kept from another worker.
    """

    def __init__(
        self, database: Database, clock: Clock, bell: Bell, *, table: JobTable | None = None, slots: int = 2
    ) -> None:
        super().__init__(middleware=[FailOnException()])
        self._database = database
        self._clock = clock
        self._bell = bell
        self._wakes: list[threading.Event] = []
        self.slots = threading.Semaphore(slots)
        self.table = table or JobTable(database, clock)
        self.heartbeat = Heartbeat(self.table)
        bell.listen(self._wake)

    def declare_queue(self, queue_name: str) -> None:
        """Begin consuming a queue; declaring it again changes nothing."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = None
            self.emit_after("declare_queue", queue_name)

    def enqueue(
        self, message: dramatiq.Message[object], *, delay: int | None = None
    ) -> dramatiq.Message[object]:
        """Write a message as a row; ``delay`` in ms.

        Raises
        ------
        InvalidRequest
            It has positional arguments: a row says by name what its job is about.
        """
        if message.args:
            raise InvalidRequest(f"Enqueuing {message.actor_name} was refused: pass its arguments by name.")
        now = self._clock.now()
        statement = enqueue(
            message.actor_name,
            message.kwargs,
            key=message.message_id,
            cause=Cause(str(message.options.get("cause", message.message_id))),
            now=now,
            not_before=now + (delay or 0) * 1000,
            queue=message.queue_name,
        )
        self._database.write([statement], new_id(self._clock))
        self._bell.ring()
        return message

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> JobConsumer:
        """Give an iterator over due rows; ``timeout`` in ms is how long it may wait for one."""
        wake = threading.Event()
        self._wakes.append(wake)
        return JobConsumer(self, queue_name, wake=wake, timeout_s=timeout / 1000)

    def close(self) -> None:
        """Stop renewing leases. The database and the bell belong to the node."""
        self.heartbeat.close()

    def due_in_s(self, queue: str) -> float:
        """Give how long nothing will be due, at most the time of a poll."""
        due = self.table.next_due(queue)
        wait = POLL_S if due is None else (due - self._clock.now()) / 1_000_000
        return min(POLL_S, max(_LEAST_WAIT_S, wait))

    def forget(self, wake: threading.Event) -> None:
        """Ring a closed consumer no longer."""
        self._wakes.remove(wake)

    def _wake(self) -> None:
        for wake in tuple(self._wakes):
            wake.set()


class JobConsumer(dramatiq.Consumer):
    """Leases rows one by one while the broker has a free slot."""

    def __init__(self, broker: JobBroker, queue: str, *, wake: threading.Event, timeout_s: float) -> None:
        self._broker = broker
        self._queue = queue
        self._wake = wake
        self._timeout_s = timeout_s
        self._look_at = 0.0

    def __next__(self) -> LeasedMessage | None:
        """Lease the next row; None when none is due within the time-out."""
        if not self._broker.slots.acquire(timeout=self._timeout_s):
            return None
        job = None
        try:
            job = self._lease()
        finally:
            if job is None:
                self._broker.slots.release()
        if job is None:
            return None
        self._broker.heartbeat.hold(job)
        return LeasedMessage(job)

    def ack(self, message: MessageProxy) -> None:
        """Mark the row done, unless its lease was lost."""
        job = _leased(message).job
        self._settle(job, self._broker.table.finish)

    def nack(self, message: MessageProxy) -> None:
        """Let the row wait for its next attempt, or give it up."""
        job, error = _leased(message).job, _leased(message).error
        text, for_good = describe(error), is_for_good(error)
        self._settle(job, lambda job: self._broker.table.fail(job, text, for_good=for_good))
        _log.warning(
            "job failed",
            job=job.id,
            name=job.name,
            cause=job.cause,
            error=text,
            for_good=for_good,
            frames=[] if isinstance(error, GridError) else _frames(error),
        )

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back rows that were not begun."""
        for message in messages:
            self._settle(_leased(message).job, self._broker.table.release)

    def close(self) -> None:
        """Listen no longer; rows already handed out are settled through the next consumer."""
        self._broker.forget(self._wake)

    def _lease(self) -> Job | None:
        """Look into the table when the bell rang or it is time to, otherwise wait."""
        rung = self._wake.wait(min(self._timeout_s, max(0.0, self._look_at - time.monotonic())))
        if not rung and time.monotonic() < self._look_at:
            return None
        self._wake.clear()
        job = self._broker.table.lease(self._queue)
        wait = 0.0 if job is not None else self._broker.due_in_s(self._queue)
        self._look_at = time.monotonic() + wait
        return job

    def _settle(self, job: Job, settle: Callable[[Job], None]) -> None:
        """Write a job's outcome, and free its slot.

        Raises
        ------
        BrokerConnectionError
            The database is down; dramatiq calls again, and the lease is renewed until then.
        """
        try:
            settle(job)
        except Conflict as error:
            _log.warning("job outcome refused", job=job.id, name=job.name, error=error.message)
        except Unavailable as error:
            raise BrokerConnectionError(error.message) from error  # type: ignore[no-untyped-call]  # theirs
        self._broker.heartbeat.drop(job)
        self._broker.slots.release()


class LeasedMessage(MessageProxy):
    """A leased row as dramatiq's worker sees it."""

    def __init__(self, job: Job) -> None:
        super().__init__(
            dramatiq.Message(
                queue_name=job.queue,
                actor_name=job.name,
                args=(),
                kwargs=dict(job.keywords),
                options={},
                message_id=job.id,
                message_timestamp=job.at // 1000,
            )
        )
        self.job = job
        self.error: BaseException | None = None

    def stuff_exception(self, exception: BaseException) -> None:
        """Keep what the job raised until its outcome is written."""
        self.error = exception

    def clear_exception(self) -> None:
        """Let go of it, and of the frames it holds."""
        self.error = None


class FailOnException(dramatiq.Middleware):
    """Send a message whose job raised to `JobConsumer.nack`, where the row decides what follows."""

    def after_process_message(
        self,
        _broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        if exception is not None:
            message.fail()


def describe(error: BaseException | None) -> str:
    """Say what went wrong without patient data: our own words, else the exception's name and place."""
    if isinstance(error, GridError):
        return error.message
    place = " at ".join(["", *_frames(error)[-1:]])
    return f"Running it failed: {type(error).__name__}{place}. It will be tried again."


def is_for_good(error: BaseException | None) -> bool:
    """Say whether trying again would only fail again."""
    return isinstance(error, InvalidRequest | NotFound | Refused)


def _frames(error: BaseException | None) -> list[str]:
    """Give where an exception came from; its text may hold anything, so that is left out."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    return [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames]


def _leased(message: MessageProxy) -> LeasedMessage:
    assert isinstance(message, LeasedMessage), "every message of this broker came from its consumer"
    return message
