"""The file that was read last, kept open: neighbours of an answer mostly lie in one pack."""

from __future__ import annotations

import os
from pathlib import Path

from node.store.regions import Region, opened


class LatestFile:
    """Keeps one file open; for one thread at a time."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._path: Path | None = None

    def opened(self, region: Region) -> tuple[int, Region]:
        """Give a descriptor of the file that a region lies in, and the region as it is now; raises as `opened` of regions. Blocks."""
        if self._descriptor is None or self._path != region.path:
            self.close()
            self._descriptor, region = opened(region)
            self._path = region.path
        return self._descriptor, region

    def close(self) -> None:
        """Let go of it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
