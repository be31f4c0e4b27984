"""Send pieces where the kernel cannot copy them: gathered beside the loop, the next of them being read while these are sent.

TLS seals what is sent, chunks frame it, and some pieces are made on the way.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from aiohttp import web

from node.errors import Damaged
from node.store.regions import Region, length_of, size_of
from web.dicomweb.latest_file import LatestFile
from web.dicomweb.pieces import Made, Piece, part_of_region
from web.threads import Threads

CHUNK_BYTES = 1 << 20
"""What is read and written at a time."""


class Gathering:
    """Writes pieces of an answer; `close` it."""

    def __init__(self, response: web.StreamResponse, threads: Threads) -> None:
        self._response = response
        self._threads = threads
        self._file = LatestFile()

    async def send(self, pieces: Iterable[Piece]) -> None:
        """Send pieces in order."""
        reading: asyncio.Task[bytes] | None = None
        try:
            for batch in _batches(pieces):
                ready = None
                if isinstance(batch, list):
                    following = asyncio.ensure_future(self._threads.run(partial(self._gathered, batch)))
                    reading, ready = following, reading
                elif reading is not None:
                    ready, reading = reading, None
                if ready is not None:
                    await self._response.write(await ready)
                if reading is not None:
                    await asyncio.wait([reading])  # one reads at a time: they share the file
                if isinstance(batch, Made):
                    await self._response.write(await batch.threads.run(batch.give))
            if reading is not None:
                await self._response.write(await reading)
        except BaseException:
            if reading is not None:
                await asyncio.wait([reading])
            raise

    def close(self) -> None:
        self._file.close()

    def _gathered(self, pieces: Sequence[bytes | Region]) -> bytes:
        """Read pieces into one run of bytes. Blocks."""
        found = bytearray(size_of(pieces))
        view, at = memoryview(found), 0
        for piece in pieces:
            size = length_of(piece)
            if isinstance(piece, bytes):
                view[at : at + size] = piece
            else:
                file, region = self._file.opened(piece)
                _read_into(file, region.offset, view[at : at + size])
            at += size
        return found  # type: ignore[return-value]  # nobody changes it


def _batches(pieces: Iterable[Piece]) -> Iterator[list[bytes | Region] | Made]:
    """Give what is sent in one go: small pieces together, long regions in parts, what is made alone."""
    batch: list[bytes | Region] = []
    size = 0
    for piece in pieces:
        for part in _parts(piece):
            if (isinstance(part, Made) or size >= CHUNK_BYTES) and batch:
                yield batch
                batch, size = [], 0
            if isinstance(part, Made):
                yield part
            else:
                batch.append(part)
                size += length_of(part)
    if batch:
        yield batch


def _parts(piece: Piece) -> Iterator[Piece]:
    """Cut a long region into what is read at a time."""
    if not isinstance(piece, Region) or piece.length <= CHUNK_BYTES:
        yield piece
        return
    for start in range(0, piece.length, CHUNK_BYTES):
        yield part_of_region(piece, start, min(start + CHUNK_BYTES, piece.length))


def _read_into(descriptor: int, offset: int, place: memoryview) -> None:
    while place:
        count = os.preadv(descriptor, [place], offset)
        if not count:
            raise Damaged("Reading an instance failed: its pack ends too early. Run 'meridian verify'.")
        offset, place = offset + count, place[count:]
