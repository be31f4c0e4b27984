"""Keeps actors up: one that fails is started again without touching the others, later and later, then it escalates.

Reads: nothing. Tells: every actor, when the bell rings; the index alone, when the landing's does. Writes: nothing; its
states are read by whoever shows them.

Something that is away for now (`Retry.LATER`: a database, a disk, a peer) is
waited for as long as it takes; anything else that keeps failing is a defect,
and the process should end so that its parent starts it anew.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pykka

from actors.base import Failed, Follower
from actors.inbox import WAKE
from node.errors import GridError, Retry

BACK_OFF_S = (0.1, 1.0, 5.0, 15.0, 30.0)
STEADY_S = 60.0
"""Having run this long, an actor's earlier failures are forgotten."""
ESCALATE_AFTER = 8
"""Failures in a row."""
PING_S = 5.0
STOP_S = 5.0
_OF_THE_DISK = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS)

Start = Callable[[Failed], pykka.ActorRef[Any]]
"""Starts an actor, usually ``lambda failed: Ingest.start(failed, node)``."""
State = Literal["running", "waiting", "stopped"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorState:
    """How an actor fares, for the page that shows it and for tests."""

    name: str
    state: State
    failures: int
    """In a row."""
    error: str
    """The last one, in its own words."""
    wait_s: float
    """Until it is started again."""


@dataclass(slots=True)
class _Child:
    start: Start
    ref: pykka.ActorRef[Follower] | None = None
    started: float = 0.0
    failures: int = 0
    error: str = ""
    next_start: float | None = field(default=None)


class Supervisor:
    """Starts the given actors and keeps each of them running."""

    def __init__(
        self,
        actors: Mapping[str, Start],
        *,
        escalate: Callable[[str, BaseException], None],
        back_off_s: tuple[float, ...] = BACK_OFF_S,
        escalate_after: int = ESCALATE_AFTER,
    ) -> None:
        """Take the actors by name.

        Parameters
        ----------
        escalate
            Called once for an actor that keeps failing, from a thread of the supervisor; the actor stays down.
        """
        self._children = {name: _Child(start) for name, start in actors.items()}
        self._escalate = escalate
        self._back_off_s = back_off_s
        self._escalate_after = escalate_after
        self._changed = threading.Condition()
        self._failed: list[tuple[str, BaseException]] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start every actor; each answered a ping when this returns, or is about to be tried again."""
        for name, child in tuple(self._children.items()):  # `Peers` adds others while this goes on
            self._start(name, child)
        self._thread.start()

    def add(self, name: str, start: Start) -> None:
        """Take on one more actor, for a peer that has joined; a name that is taken changes nothing."""
        with self._changed:
            if name in self._children or self._stopping:
                return
            self._children[name] = _Child(start)
        self._start(name, self._children[name])

    def remove(self, name: str) -> None:
        """End one actor for good, for a peer that has left."""
        with self._changed:
            child = self._children.pop(name, None)
        if child is not None and child.ref is not None:
            child.ref.stop(block=False)

    def wake(self, only: str = "") -> None:
        """Wake all actors, or one of them: what a bell calls. Returns at once."""
        for name, child in tuple(self._children.items()):
            if child.ref is not None and only in ("", name):
                _tell(child.ref)

    def states(self) -> list[ActorState]:
        """Give how each actor fares."""
        now = time.monotonic()
        with self._changed:
            return [_state_of(name, child, now=now) for name, child in self._children.items()]

    def stop(self, *, timeout_s: float = STOP_S) -> None:
        """Let each actor finish its step, then end all; one that hangs is left to its daemon thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        deadline = time.monotonic() + timeout_s
        futures = [child.ref.stop(block=False) for child in self._children.values() if child.ref is not None]
        for future in futures:
            try:
                future.get(timeout=max(0.0, deadline - time.monotonic()))
            except pykka.Timeout:
                _log.warning("an actor did not end within %g s", timeout_s)

    def _told_of_failure(self, name: str, error: BaseException) -> None:
        with self._changed:
            self._failed.append((name, error))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping or self._failed, timeout=self._until_next_start()
                )
                if self._stopping:
                    return
                failed, self._failed = self._failed, []
            for name, error in failed:
                self._plan(name, error)
            for name, child in tuple(self._children.items()):
                if child.next_start is not None and child.next_start <= time.monotonic():
                    self._start(name, child)

    def _until_next_start(self) -> float | None:
        starts = [child.next_start for child in self._children.values() if child.next_start is not None]
        return max(0.0, min(starts) - time.monotonic()) if starts else None

    def _plan(self, name: str, error: BaseException) -> None:
        """Decide when a failed actor is started again, or that it is not."""
        child, now = self._children.get(name), time.monotonic()
        if child is None:
            return  # removed meanwhile
        later = _is_away(error)
        with self._changed:
            child.ref = None
            child.failures = 1 if now - child.started > STEADY_S else child.failures + 1
            child.error = str(error) or type(error).__name__
            given_up = not later and child.failures >= self._escalate_after
            wait = self._back_off_s[min(child.failures, len(self._back_off_s)) - 1]
            child.next_start = None if given_up else now + wait
        if given_up:
            _log.error("actor %s failed %d times in a row and stays down: %s", name, child.failures, error)
            self._escalate(name, error)
        else:
            _log.warning("actor %s failed (%s); starting it again in %g s", name, error, wait)

    def _start(self, name: str, child: _Child) -> None:
        child.next_start, child.started = None, time.monotonic()
        try:
            ref = child.start(self._told_of_failure)
        except Exception as error:  # noqa: BLE001  # whatever its constructor raises, it is tried again
            self._told_of_failure(name, error)
            return
        with self._changed:
            child.ref = ref
        try:
            ref.ask("ping", timeout=PING_S)
        except pykka.ActorDeadError:
            return  # it has told of its failure itself
        except pykka.Timeout:
            _log.warning("actor %s did not answer within %g s; it is busy, or hangs", name, PING_S)


def _is_away(error: BaseException) -> bool:
    """Say whether it may come back by itself: what a port says may, and a disk that is full or fails."""
    if isinstance(error, OSError):
        return error.errno in _OF_THE_DISK
    return isinstance(error, GridError) and error.retry is Retry.LATER


def _state_of(name: str, child: _Child, *, now: float) -> ActorState:
    state: State = "stopped"
    if child.ref is not None and child.ref.is_alive():
        state = "running"
    elif child.next_start is not None or child.ref is not None:
        state = "waiting"
    wait = 0.0 if child.next_start is None else max(0.0, child.next_start - now)
    return ActorState(name=name, state=state, failures=child.failures, error=child.error, wait_s=wait)


def _tell(ref: pykka.ActorRef[Follower]) -> None:
    try:
        ref.tell(WAKE)
    except pykka.ActorDeadError:
        return  # its next start looks without being told
