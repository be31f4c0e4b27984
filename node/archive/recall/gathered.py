"""A package of which only what was asked for lies here: a file with holes, filled from a store, each block once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from node.archive.package.source import FileSource, Source
from node.archive.recall.ranges import BLOCK_BYTES, Span, runs
from node.errors import Unavailable
from node.failpoints import planted


class Elsewhere(Source, Protocol):
    """Where the package is read."""

    def close(self) -> None: ...


class Gathered:
    """A package as its readers see it; for any number of threads. It closes what it reads.

    No more than a run is in memory. Nothing is compared here: members have digests, and a hole has none that fits.
    """

    def __init__(self, far: Elsewhere, path: Path) -> None:
        self.size = far.size
        self._far = far
        self._lock = threading.Lock()
        self._known: set[int] = set()
        self._planned: dict[int, range] = {}
        """The run that brings a block."""
        with _on_disk():
            with path.open("wb") as file:
                file.truncate(self.size)
            self._near = FileSource(path)
            self._sink = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def plan(self, spans: Iterable[Span]) -> None:
        """Say what is wanted soon, so that neighbours come by one read; nothing is fetched yet."""
        with self._lock:
            if planted("fetched-again"):
                self._known.clear()
            self._planned = {block: run for run in runs(spans, self._known) for block in run}

    def fetch(self, span: Span) -> None:
        """Have a span lie in the file; raises as what it is read from.

        Raises
        ------
        Unavailable
            The node's disk does not take it.
        """
        if self._known.issuperset(span.blocks):
            return
        with self._lock:
            for block in span.blocks:
                if block in self._planned and block not in self._known:
                    self._fetch(self._planned[block])
            for run in runs([span], self._known):
                self._fetch(run)

    def read_at(self, offset: int, length: int) -> bytes:
        self.fetch(Span(offset, min(offset + length, self.size)))
        return self._near.read_at(offset, length)

    def forget(self) -> None:
        """Let all be fetched again: it is not what it should be."""
        with self._lock:
            self._known.clear()

    def close(self) -> None:
        """Let go of both files."""
        os.close(self._sink)
        self._near.close()
        self._far.close()

    def _fetch(self, run: range) -> None:
        begin = run.start * BLOCK_BYTES
        raw = memoryview(self._far.read_at(begin, min(run.stop * BLOCK_BYTES, self.size) - begin))
        if planted("block-believed") and run.start in self._planned:
            raw = raw[: -(len(raw) // 2)]
        with _on_disk():
            while raw:
                taken = os.pwrite(self._sink, raw, begin)
                begin, raw = begin + taken, raw[taken:]
        self._known.update(run)


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"Reading a package was put off ({error.strerror}): the node's disk does not take it. Free some space,"
            " try again."
        ) from error
