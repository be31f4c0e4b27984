"""What was made and may be asked for again, the latest used of it, up to a number of bytes; for all threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Bounded(Generic[V]):
    """Keeps values by key; none of it is a fact, all may be lost."""

    def __init__(self, *, most_bytes: int, size_of: Callable[[V], int]) -> None:
        self._most = most_bytes
        self._size_of = size_of
        self._held: dict[Hashable, V] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """How much is held."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Give a value, made when it is not held; two that ask at once may both make it."""
        with self._lock:
            if key in self._held:
                value = self._held.pop(key)
                self._held[key] = value  # the latest used stands last
                return value
        value = make()
        self._keep(key, value)
        return value

    def _keep(self, key: Hashable, value: V) -> None:
        size = self._size_of(value)
        if size > self._most // 2:
            return  # it would push out everything else
        with self._lock:
            if key in self._held:
                return
            self._held[key] = value
            self._bytes += size
            while self._bytes > self._most:
                self._bytes -= self._size_of(self._held.pop(next(iter(self._held))))
