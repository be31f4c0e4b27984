"""Where the event loop sends what blocks: a few threads, and only so many calls waiting for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from node.errors import Unavailable

T = TypeVar("T")


class Threads:
    """A bounded pool; a call too many is refused at once instead of queueing for ever."""

    def __init__(self, name: str, *, workers: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._limit = workers + waiting
        self._taken = 0

    async def run(self, function: Callable[[], T]) -> T:
        """Run a blocking function beside the loop.

        Raises
        ------
        Unavailable
            Too many wait already.
        """
        if self._taken >= self._limit:
            raise Unavailable("Answering was put off: too many requests at once. Try again in a moment.")
        self._taken += 1
        call = asyncio.get_running_loop().run_in_executor(self._pool, function)
        call.add_done_callback(self._give_back)  # a caller that goes away does not stop the thread
        return await call

    def _give_back(self, _call: asyncio.Future[T]) -> None:
        self._taken -= 1

    def close(self) -> None:
        """Let what runs finish; nothing new is taken."""
        self._pool.shutdown(wait=False, cancel_futures=True)
