"""Places for requests that store: so many at once, in threads of their own, so that they keep nobody else waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from node.errors import Unavailable
from web.threads import Threads

AT_ONCE = 16
WORKERS = 4


class Storing:
    """Counts them; only the event loop touches it."""

    def __init__(self) -> None:
        self.threads = Threads("web-storing", workers=WORKERS, waiting=2 * AT_ONCE)
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

    def close(self) -> None:
        """Let what runs finish; nothing new is taken."""
        self.threads.close()
