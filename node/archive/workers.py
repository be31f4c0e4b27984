"""Processes that code and turn back, as many as there are cores to use: given work in order, replaced when they die."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import LifoQueue
from types import TracebackType
from typing import IO, Self, TypeVar

import msgspec

from node.archive.coder import Code, Done, TurnBack
from node.errors import Unavailable
from node.imaging.codecs import LENGTHS, message

WAIT_S = 120.0
WAIT_BYTES = 1 << 20
"""So many bytes more are waited for a second longer."""
AHEAD = 4
"""Instances that are worked on, or done, before the first of them is taken; for each process."""
REQUESTS = 2000
"""After so many a process is replaced, whatever codecs leave behind."""
_ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
T = TypeVar("T")
R = TypeVar("R")
Ask = Callable[[Code | TurnBack, bytes], tuple[Done, bytes]]
"""Has a request done, with the bytes behind it; gives what was made and the bytes behind that."""


class Died(Exception):
    """A process ended, or was ended, over an instance."""


class Workers:
    """So many processes, started when they are needed; for one thread that gives work and takes it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._places: LifoQueue[_Process | None] = LifoQueue()
        for _ in range(count):
            self._places.put(None)
        self._threads = ThreadPoolExecutor(count, "archive")

    def map(self, requests: Iterable[T], work: Callable[[T, Ask], R]) -> Iterator[R]:
        """Give what ``work`` makes of each request, in order, while the next are worked on.

        Parameters
        ----------
        work
            Called in threads, with a request and with what asks a process.
        """
        waiting: deque[Future[R]] = deque()
        try:
            for request in requests:
                waiting.append(self._threads.submit(work, request, self.ask))
                if len(waiting) > AHEAD * self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def ask(self, request: Code | TurnBack, behind: bytes = b"") -> tuple[Done, bytes]:
        """Have a request done; gives what was made.

        Raises
        ------
        Died
            Whatever worked on it ended.
        Unavailable
            No process can be started.
        """
        place = self._places.get()
        try:
            if place is None or place.spent:
                if place is not None:
                    place.end()
                place = _Process()
            return place.ask(request, behind)
        except Died:
            place = None
            raise
        finally:
            self._places.put(place)

    def close(self) -> None:
        """End all processes."""
        self._threads.shutdown(cancel_futures=True)
        for _ in range(self.count):
            place = self._places.get()
            if place is not None:
                place.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Process:
    """One process; for one thread at a time."""

    def __init__(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "node.archive.coder"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={**os.environ, **_ALONE},
            )
        except OSError as error:
            raise Unavailable(
                f"Archiving was put off: its process cannot be started ({error.strerror}). Try again later."
            ) from error
        self._served = 0

    @property
    def spent(self) -> bool:
        return self._served >= REQUESTS or self._process.poll() is not None

    def ask(self, request: Code | TurnBack, behind: bytes) -> tuple[Done, bytes]:
        self._served += 1
        size = request.data_bytes if isinstance(request, Code) else request.size
        until = time.monotonic() + WAIT_S + size / WAIT_BYTES
        try:
            left = memoryview(message(request, len(behind)) + behind)
            while left:
                left = left[_pipe(self._process.stdin).write(left) :]
            json_bytes, more = LENGTHS.unpack(self._receive(LENGTHS.size, until))
            done = msgspec.json.decode(self._receive(json_bytes, until), type=Done)
            return done, self._receive(more, until)
        except (OSError, msgspec.MsgspecError) as error:
            self.end()
            raise Died from error
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _receive(self, size: int, until: float) -> bytes:
        pipe, found = _pipe(self._process.stdout), bytearray()
        poll = select.poll()
        poll.register(pipe.fileno(), select.POLLIN)
        while len(found) < size:
            if not poll.poll(max(until - time.monotonic(), 0) * 1000):
                raise Died
            chunk = pipe.read(size - len(found))
            if not chunk:
                raise Died
            found += chunk
        return bytes(found)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
