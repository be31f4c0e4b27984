"""Whether stores answer now, and how much room each has, asked so that one that hangs keeps nobody waiting."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from node.archive.stores.port import ArchiveStore
from node.errors import GridError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a store says of itself; ``words``, of the store, only where it says why it cannot be used."""

    store: str
    answers: bool
    room_bytes: int | None = None
    words: str = ""


class Probe:
    """Kept for as long as its process: a store that hangs has one thread waiting for it, and not one for each question."""

    def __init__(self, stores: Sequence[ArchiveStore]) -> None:
        self._stores = tuple(stores)
        self._asked: dict[str, _Question] = {}
        self._lock = threading.Lock()

    def ask(self, *, within_s: float) -> list[Answer]:
        """Ask all stores at once; one that has not answered by then is said to be silent."""
        until = monotonic() + within_s
        with self._lock:
            questions = [self._question(store) for store in self._stores]
        return [question.answer(max(0.0, until - monotonic())) for question in questions]

    def _question(self, store: ArchiveStore) -> _Question:
        """Give the question that is still open, or a new one."""
        asked = self._asked.get(store.name)
        if asked is None or asked.done.is_set():
            asked = self._asked[store.name] = _Question(store)
            asked.start()
        return asked


class _Question(threading.Thread):
    """A daemon, since a process must not wait at its end for a disk that is gone."""

    def __init__(self, store: ArchiveStore) -> None:
        super().__init__(name=f"probe-{store.name}", daemon=True)
        self.done = threading.Event()
        self._store = store
        self._answer = Answer(store=store.name, answers=False)

    def run(self) -> None:
        name = self._store.name
        try:
            self._answer = Answer(store=name, answers=True, room_bytes=self._store.room())
        except GridError as error:
            self._answer = Answer(store=name, answers=False, words=error.message)
        finally:
            self.done.set()

    def answer(self, within_s: float) -> Answer:
        """Give the answer; before there is one, that there is none."""
        if self.done.wait(within_s):
            return self._answer
        return Answer(store=self._store.name, answers=False)
