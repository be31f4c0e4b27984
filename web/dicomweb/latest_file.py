"""The file that was read last, kept open: neighbours of an answer mostly lie in one pack."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from node.store.regions import Region


class LatestFile:
    """Keeps one file open; for one thread at a time."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._path: Path | None = None

    def opened(self, region: Region) -> tuple[int, Region]:
        """Give a descriptor of the file that a region lies in, and the region as it is now. Blocks.

        Raises
        ------
        FileNotFoundError
            The pack is gone, and the region does not say where to.
        """
        try:
            return self._open(region.path), region
        except FileNotFoundError:
            moved = region.again() if region.again is not None else None
            if moved is None:
                raise
            return self._open(moved.path), moved

    def close(self) -> None:
        """Let go of it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, path: Path) -> int:
        if self._file is None or self._path != path:
            self.close()
            self._file, self._path = path.open("rb", buffering=0), path
        return self._file.fileno()
