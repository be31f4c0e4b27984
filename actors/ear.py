"""A thread that listens to one mailbox host, so that an actor never waits for the network.

It holds at most a few lists of mail; when its actor is slow, the host is slow too.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from federation.transport.port import Delivery, Mail, MailboxLink
from node.errors import GridError, Unavailable

HELD = 2
Heard = list[Delivery] | GridError
"""A list of mail; or why there will be no more."""


class Ear:
    """Listens until it is closed or the line breaks."""

    def __init__(self, link: MailboxLink, *, wake: Callable[[], None]) -> None:
        """``wake`` is called, from the ear's thread, when there is something to take."""
        self._link = link
        self._wake = wake
        self._heard: queue.Queue[Heard] = queue.Queue(HELD)
        self._closed = threading.Event()
        self._mail: Mail | None = None
        threading.Thread(target=self._run, name="ear", daemon=True).start()

    def take(self) -> Heard | None:
        """Give what was heard next, or None when there is nothing yet."""
        try:
            return self._heard.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """Stop listening; returns at once."""
        self._closed.set()
        if self._mail is not None:
            self._mail.close()

    def _run(self) -> None:
        ended: GridError = Unavailable(
            "Listening for mail ended: the host closed the line. It is tried again."
        )
        try:
            self._mail = self._link.collect(follow=True)
            if self._closed.is_set():
                self._mail.close()  # closed before there was anything to close
            for deliveries in self._mail:
                self._put(deliveries)
                if self._closed.is_set():
                    break
        except GridError as error:
            ended = error
        if self._mail is not None:
            self._mail.close()
        self._put(ended)

    def _put(self, heard: Heard) -> None:
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._heard.put(heard, timeout=1.0)
                self._wake()
                return
