"""Processes that code and turn back, as many as there are cores to use: given work in order, replaced when they die."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import LifoQueue
from types import TracebackType
from typing import Self, TypeVar

from node.archive.package.requests import MOST_OLD_BYTES, Code, Done, Patience, TurnBack
from node.archive.package.yielding import yielding_to_this_machine
from node.imaging.codec_process import CodecProcess, Died

WAIT_S = {Patience.ANY: 1800.0, Patience.SOON: 120.0}
"""How long an instance may take; of one that lets all others go first mostly for want of a core: what it uses of
that is limited by itself."""
WAIT_BYTES = 1 << 20
"""So many bytes more are waited for a second longer."""
AHEAD = 4
"""Instances that are worked on, or done, before the first of them is taken; for each process."""
REQUESTS = 2000
"""After so many a process is replaced, whatever codecs leave behind."""
_MOST_RECORD_BYTES = 2 * MOST_OLD_BYTES
T = TypeVar("T")
R = TypeVar("R")
Ask = Callable[[Code | TurnBack, bytes], tuple[Done, bytes]]
"""Has a request done, with the bytes behind it; gives what was made and the bytes behind that."""


class Workers:
    """So many processes, started when they are needed; for one thread that gives work and takes it."""

    def __init__(self, count: int, patience: Patience = Patience.SOON) -> None:
        self.count = count
        self._patience = patience
        self._yielding = yielding_to_this_machine() if patience is Patience.ANY else None
        self._places: LifoQueue[CodecProcess | None] = LifoQueue()
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
            wait(waiting)  # nothing is written any more when this ends

    def ask(self, request: Code | TurnBack, behind: bytes = b"") -> tuple[Done, bytes]:
        """Have a request done; gives what was made.

        Raises
        ------
        Died
            Whatever worked on it ended.
        Unavailable
            No process can be started.
        """
        if self._yielding is None:
            return self._ask(request, behind)
        with self._yielding.turn():
            return self._ask(request, behind)

    def _ask(self, request: Code | TurnBack, behind: bytes) -> tuple[Done, bytes]:
        place = self._places.get()
        try:
            if place is None or place.spent:
                if place is not None:
                    place.end()
                place = CodecProcess("node.archive.package.coder", self._patience.value, requests=REQUESTS)
            size = request.data_bytes if isinstance(request, Code) else request.size
            wait_s = WAIT_S[self._patience] + size / WAIT_BYTES
            done, more = place.ask(request, behind, answer=Done, wait_s=wait_s, most_bytes=_MOST_RECORD_BYTES)
            return done, bytes(more)
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
