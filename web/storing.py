"""Places for requests that store: so many at once, in threads of their own, so that they keep nobody else waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager

from node.errors import Unavailable
from web.threads import Threads

AT_ONCE = 16
WORKERS = 4
LANES = 3
"""Of one request: one instance is synced while the next comes in."""


class Storing:
    """Counts them; only the event loop takes places."""

    lanes = LANES

    def __init__(self) -> None:
        self.threads = Threads("web-storing", workers=WORKERS, waiting=2 * AT_ONCE)
        self._syncing = ThreadPoolExecutor(WORKERS * LANES, thread_name_prefix="web-syncing")
        self._taken = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Take a place for as long as the request lasts.

        Raises
        ------
        Unavailable
            None is free.
        """
        if self._taken >= AT_ONCE:
            raise Unavailable("Storing instances was put off: too many send at once. Try again in a moment.")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    def beside(self, function: Callable[[], None]) -> Future[None]:
        """Run a function in a thread of another pool than the one that reads bodies, which may wait for it."""
        return self._syncing.submit(function)

    def close(self) -> None:
        """Let what runs finish; nothing new is taken."""
        self.threads.close()
        self._syncing.shutdown(wait=False)
