"""Actors under test: stepped by hand where time must not pass, and watched where it must."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Failures:
    """Takes what actors tell a supervisor."""

    def __init__(self) -> None:
        self.told: list[tuple[str, BaseException]] = []
        self._told = threading.Event()

    def __call__(self, name: str, error: BaseException) -> None:
        self.told.append((name, error))
        self._told.set()

    def wait(self, timeout_s: float = 5.0) -> tuple[str, BaseException]:
        """Give the first failure."""
        assert self._told.wait(timeout_s), "nothing failed"
        return self.told[0]


def eventually(holds: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Wait until something holds that another thread brings about."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.002)
