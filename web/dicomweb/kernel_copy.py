"""Send bytes and runs of files over a connection without bringing them into this process: the kernel copies.

A thread gives the kernel as much as the connection takes, then comes back; the loop waits until it takes
more. So a client that reads slowly keeps no thread, one that reads fast is not kept waiting by
the loop, and nobody else waits for a disk.

It works on a duplicate of the connection's descriptor: should the connection close
meanwhile, its number may name another client's, the duplicate's never does.

Source: sendfile(2), dup(2).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Iterator
from enum import Enum

from node.errors import Damaged
from node.failpoints import planted
from node.store.regions import Region, length_of
from web.dicomweb.latest_file import LatestFile
from web.threads import Threads

STEP_BYTES = 16 << 20
"""After so many bytes a thread comes back, even if the connection would take more."""


class _Came(Enum):
    """How a step ended."""

    DONE = 0
    FULL = 1
    """The connection takes no more for now."""
    PAUSED = 2


class KernelCopy:
    """Sends what follows the bytes that a transport has already let go of; `close` it."""

    def __init__(self, transport: asyncio.Transport, connection: socket.socket, threads: Threads) -> None:
        self._transport = transport
        self._socket = connection
        self._threads = threads
        self._file = LatestFile()
        self._piece: bytes | Region | None = None
        """What is being sent."""
        self._sent = 0
        """Of that, in bytes."""

    async def send(self, pieces: Iterable[bytes | Region]) -> None:
        """Send pieces in order; each is asked for when it is its turn, in a thread.

        Raises
        ------
        ConnectionError
            The client is gone.
        Damaged, FileNotFoundError
            A pack ends too early, or is gone: whatever was begun must break off.
        """
        left = iter(pieces)
        while (came := await self._step(left)) is not _Came.DONE:
            if came is _Came.FULL:
                await self._until_it_takes_more()
            if self._transport.is_closing():
                raise ConnectionResetError

    def close(self) -> None:
        """Let go of connection and file; the connection itself stays as it is."""
        self._socket.close()
        self._file.close()

    async def _step(self, left: Iterator[bytes | Region]) -> _Came:
        step = asyncio.ensure_future(self._threads.run(lambda: self._give(left)))
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            await asyncio.wait([step])  # it works on what `close` closes
            raise

    def _give(self, left: Iterator[bytes | Region]) -> _Came:
        """Give the kernel what it takes. Blocks for the disk alone."""
        given = 0
        while given < STEP_BYTES:
            if self._piece is None:
                self._piece, self._sent = next(left, None), 0
            if self._piece is None:
                return _Came.DONE
            try:
                count = self._give_some(self._piece)
            except BlockingIOError:
                return _Came.FULL
            given += count
            self._sent += count
            if self._sent == length_of(self._piece):
                self._piece = None
        return _Came.PAUSED

    def _give_some(self, piece: bytes | Region) -> int:
        if isinstance(piece, bytes):
            return self._socket.send(memoryview(piece)[self._sent :])
        file, region = self._file.opened(piece)
        wanted = region.length - self._sent
        count = os.sendfile(self._socket.fileno(), file, region.offset + self._sent, wanted)
        if wanted and not count:
            raise Damaged("Reading an instance failed: its pack ends too early. Run 'meridian verify'.")
        return count

    async def _until_it_takes_more(self) -> None:
        loop = asyncio.get_running_loop()
        takes_more: asyncio.Future[None] = loop.create_future()
        loop.add_writer(self._socket, _settle, takes_more)
        try:
            await takes_more
        finally:
            loop.remove_writer(self._socket)


def kernel_copy(transport: asyncio.BaseTransport | None, threads: Threads) -> KernelCopy | None:
    """Take over the sending of a connection; None where the kernel cannot, as under TLS, or bytes still wait to go."""
    if not isinstance(transport, asyncio.Transport) or transport.get_extra_info("sslcontext") is not None:
        return None
    connection = transport.get_extra_info("socket")
    if connection is None or transport.is_closing() or transport.get_write_buffer_size():
        return None
    number = connection.fileno()
    own = socket.socket(fileno=number if planted("number-borrowed") else os.dup(number))
    own.setblocking(False)
    return KernelCopy(transport, own, threads)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
