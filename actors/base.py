"""What every actor of ours is: something that looks when the bell rings, and by itself once in a while.

Reads: what its subclass reads. Tells: nobody but its supervisor, when it fails.
Writes: what its subclass writes.

State that matters is in the database, so an actor may end at any moment. A
ring carries nothing and may be lost; many rings are one look.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import ClassVar

import pykka

from actors.inbox import WAKE, Inbox
from node.errors import Conflict

Failed = Callable[[str, BaseException], None]
"""Told the actor's name and what ended it; returns at once."""

SOON_S = 0.05


class Follower(pykka.ThreadingActor):
    """Calls `step` at every ring, and again after the time that `step` asked for.

    A subclass sets ``NAME`` and defines `step`. It takes ``failed`` first and passes it on.
    """

    NAME: ClassVar[str]
    """Its name in states and logs; one that serves a peer sets ``name`` in its constructor instead."""
    POLL_S: ClassVar[float] = 5.0
    """It looks this often without a ring."""
    SPACING_S: ClassVar[float] = 0.0
    """Rings sooner than this after a look wait, so that a stream of them costs few batches."""
    use_daemon_thread = True

    def __init__(self, failed: Failed, *, name: str = "") -> None:
        super().__init__()
        self.name = name or self.NAME
        self._failed = failed

    def step(self) -> float | None:
        """Do what is due.

        Gives the seconds until it must look again without a ring: 0 at once, None after ``POLL_S``. A `Conflict`
        may pass: whoever was first has written, so it looks again.
        """
        raise NotImplementedError

    def on_receive(self, message: object) -> object:
        """Look when woken; answer a ping."""
        if message is not WAKE:
            return self.name
        try:
            wait = self.step()
        except Conflict:
            wait = SOON_S
        spacing = 0.0 if wait == 0 else self.SPACING_S
        self._inbox.look_again(self.POLL_S if wait is None else wait, not_before_s=spacing)
        return None

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Tell the supervisor; pykka has stopped this actor already."""
        if exception_value is not None:
            self._failed(self.name, exception_value)

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return Inbox()

    @property
    def _inbox(self) -> Inbox:
        inbox = self.actor_inbox
        assert isinstance(inbox, Inbox)
        return inbox
