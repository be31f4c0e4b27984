"""A data set while it comes in: small ones in memory, large ones in a file without a name beside the packs.

It is complete before any of it goes to a pack, so that what is refused for its
content never touches one, and the Study UID that names the pack is known. The
unnamed file goes when it is closed or the process dies.
"""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Callable
from pathlib import Path

from node.errors import GridError, Unavailable
from node.store.pack_file import Bytes

MEMORY_BYTES = 1 << 20
"""What one association may hold in memory."""


class Spool(io.BytesIO):
    """Takes the fragments of a data set in order; a `BytesIO`, as pynetdicom wants one.

    Writing never raises, since it happens in the thread that reads the socket:
    when the disk refuses, the rest is dropped and ``refusal`` says why.
    """

    def __init__(self, directory: Path, room: Callable[[int], None]) -> None:
        """Begin an empty one.

        Parameters
        ----------
        directory
            Where large ones lie; on the disk of the packs.
        room
            Called with the number of bytes about to be written; raises when the disk must not take them.
        """
        super().__init__()
        self.refusal: GridError | None = None
        self.size = 0
        self._directory = directory
        self._room = room
        self._file: int | None = None

    def write(self, fragment: Bytes, /) -> int:  # type: ignore[override]  # what pynetdicom writes is bytes
        """Take the next fragment."""
        length = len(memoryview(fragment).cast("B"))
        self.size += length
        if self.refusal is None:
            try:
                self._take(fragment, length)
            except GridError as error:
                self._give_up(error)
            except OSError as error:
                self._give_up(
                    Unavailable(
                        f"Storing an instance was refused: the disk does not take it ({error.strerror})."
                        " Check the disk, then send again."
                    )
                )
        return length

    def view(self) -> memoryview:
        """Give the whole data set without copying it."""
        if self._file is None or not self.size:
            return self.getbuffer()
        return memoryview(mmap.mmap(self._file, self.size, access=mmap.ACCESS_READ))

    def close(self) -> None:
        self._drop()
        # What still looks at it keeps the bytes until it lets go.
        try:
            super().close()
        except BufferError:
            return

    def __del__(self) -> None:
        self._drop()

    def _take(self, fragment: Bytes, length: int) -> None:
        if self._file is None and self.size <= MEMORY_BYTES:
            super().write(fragment)
            return
        self._room(length)
        if self._file is None:
            self._file = os.open(self._directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            _write(
                self._file, self.getvalue()
            )  # a view would be held by a failure, and keep this from shrinking
            self.seek(0)
            self.truncate()
        _write(self._file, fragment)

    def _give_up(self, refusal: GridError) -> None:
        self.refusal = refusal
        self._drop()
        self.seek(0)
        self.truncate()

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _write(descriptor: int, content: Bytes) -> None:
    left = memoryview(content).cast("B")
    while left:
        left = left[os.write(descriptor, left) :]
