"""A few packages kept open, so that a frame costs one read; for any number of threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.archive.package.reading import Package
from node.archive.stores.port import StoredFile

if TYPE_CHECKING:
    from node.archive.archived import CopyRow

OPEN = 8


@dataclass(slots=True, kw_only=True)
class Opened:
    """An open package, and the copy that it is read from."""

    package: Package
    file: StoredFile
    copy: CopyRow
    readers: int = 0
    put_away: bool = False


class OpenPackages:
    """The packages that were read last; one closes when it is crowded out and nobody reads it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Opened] = OrderedDict()

    def borrow(self, pack: str, open_: Callable[[], Opened]) -> Opened:
        """Give a package for reading, to be given back; ``open_`` opens one that is not open, and may raise."""
        return self._lend(pack) or self._keep(pack, open_())

    def give_back(self, held: Opened) -> None:
        """Say that a borrowed package is no longer read."""
        with self._lock:
            held.readers -= 1
            if held.put_away and not held.readers:
                held.file.close()

    def drop(self, pack: str) -> None:
        """Let a package be opened anew by whoever wants it next."""
        with self._lock:
            if pack in self._open:
                self._put_away(pack)

    def close(self) -> None:
        """Let go of all."""
        with self._lock:
            for pack in list(self._open):
                self._put_away(pack)

    def _lend(self, pack: str) -> Opened | None:
        with self._lock:
            held = self._open.get(pack)
            if held is not None:
                self._open.move_to_end(pack)
                held.readers += 1
            return held

    def _keep(self, pack: str, found: Opened) -> Opened:
        with self._lock:
            held = self._open.setdefault(pack, found)
            if held is not found:
                found.file.close()  # another thread was first
            held.readers += 1
            for crowded in list(self._open)[:-OPEN]:
                self._put_away(crowded)
            return held

    def _put_away(self, pack: str) -> None:
        held = self._open.pop(pack)
        held.put_away = True
        if not held.readers:
            held.file.close()
