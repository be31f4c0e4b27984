"""A bounded number of packs kept open for reading, so that a frame costs one `pread`.

A descriptor closes when it is crowded out and the last reader has let go of it;
readers in other threads never find it closed, or another file under its number.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path

from node.errors import NotFound, Unavailable


class Descriptor:
    """One open file; closed when nobody holds it any more."""

    __slots__ = ("number",)

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if (number := getattr(self, "number", None)) is not None:
            os.close(number)


class Descriptors:
    """The most recently read packs, open."""

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._open: OrderedDict[Path, Descriptor] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path) -> Descriptor:
        """Give an open pack; hold on to it while reading.

        Raises
        ------
        NotFound
            There is no such pack; a reader that had it from a row looks the row up once more.
        """
        with self._lock:
            held = self._open.get(path)
            if held is None:
                held = self._open[path] = _opened(path)
            self._open.move_to_end(path)
            crowded_out = [self._open.popitem(last=False) for _ in range(len(self._open) - self._limit)]
        del crowded_out  # outside the lock: closing may wait for the disk
        return held

    def forget(self, path: Path) -> None:
        """Let go of a pack that is about to vanish."""
        with self._lock:
            self._open.pop(path, None)


def _opened(path: Path) -> Descriptor:
    try:
        return Descriptor(path)
    except FileNotFoundError as error:
        raise NotFound(
            f"Reading pack {path.stem} failed: it is not here. Look its row up once more."
        ) from error
    except OSError as error:
        raise Unavailable(
            f"Reading pack {path.stem} failed ({error.strerror}). Check the disk, then try again."
        ) from error
