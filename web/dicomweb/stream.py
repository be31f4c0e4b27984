"""Give pieces of pack files and bytes as one HTTP answer, with memory that does not grow with the study.

The length of the whole is known before the first byte, so a client that gets
less knows that it was cut. Small pieces are gathered beside the loop, the next
ones being read while these are sent; long ones the kernel copies (`sendfile`), but
under TLS.

Source: RFC 2387 (multipart/related), DICOM PS3.18 8.7.1.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from node.errors import Damaged
from node.store import regions
from node.store.regions import Region, length_of, size_of
from web.answers import Later
from web.threads import Threads

CHUNK_BYTES = 1 << 20
"""What is read and written at a time."""
SENDFILE_FROM_BYTES = 4 << 20
"""Below this a copy is cheaper than what the kernel needs to be told for each run of bytes."""
BATCH_FROM_BYTES = 64 << 10
READ_AT_ONCE_BYTES = 1 << 20
"""A few runs of bytes up to this are read where they were found: that is quicker than another hop."""
FEW_PIECES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Made(regions.Made):
    """Bytes that are made when their turn comes, in threads that may burn a core."""

    threads: Threads = field(compare=False)


Piece = bytes | Region | Made


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart answer."""

    media: str
    """Its Content-Type."""
    location: str
    body: Sequence[Piece]


def read_pieces(pieces: Sequence[Piece]) -> bytes:
    """Read everything; for what is small. Blocks."""
    return b"".join(
        piece.give() if isinstance(piece, Made) else regions.read_pieces([piece]) for piece in pieces
    )


def read_from_memory(region: Region) -> bytearray | None:
    """Read a run of bytes that the kernel holds in memory; None when the disk would be waited for, or it is long."""
    if region.length > READ_AT_ONCE_BYTES:
        return None
    found = bytearray(region.length)
    descriptor = os.open(region.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        count = os.preadv(descriptor, [found], region.offset, os.RWF_NOWAIT)
    except OSError:
        return None  # EAGAIN, or a file system that cannot say
    finally:
        os.close(descriptor)
    return found if count == region.length else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream(Later):
    """Pieces in order, as one body."""

    pieces: Sequence[Piece]
    threads: Threads
    headers: Mapping[str, str]
    status: int = 200

    async def send(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=self.status, headers=dict(self.headers))
        response.content_length = size_of(self.pieces)
        await response.prepare(request)
        sender = _Sender(request, response, self.threads)
        try:
            await sender.send_all(self.pieces)
        finally:
            sender.close()
        await response.write_eof()
        return response


def answer_pieces(
    pieces: Sequence[Piece], *, threads: Threads, headers: Mapping[str, str], status: int = 200
) -> Stream | web.Response:
    """Give pieces as an answer: read at once when they are few bytes, else streamed. Blocks."""
    most = READ_AT_ONCE_BYTES if len(pieces) <= FEW_PIECES else BATCH_FROM_BYTES
    if size_of(pieces) < most and not any(isinstance(piece, Made) for piece in pieces):
        return web.Response(body=read_pieces(pieces), headers=dict(headers), status=status)
    return Stream(pieces=pieces, threads=threads, headers=headers, status=status)


def answer_parts(
    parts: Sequence[Part], *, media: str, threads: Threads, headers: Mapping[str, str]
) -> Stream | web.Response:
    """Give parts of one media type as a multipart/related answer. Blocks."""
    boundary = new_boundary()
    return answer_pieces(
        list(framed(parts, boundary)),
        threads=threads,
        headers={**headers, "Content-Type": multipart_type(media, boundary)},
    )


def new_boundary() -> str:
    """Draw what no body holds."""
    return secrets.token_hex(16)


def multipart_type(media: str, boundary: str) -> str:
    """Give the Content-Type of parts of one media type. Source: RFC 2387."""
    return f'multipart/related; type="{media}"; boundary={boundary}'


def framed(parts: Sequence[Part], boundary: str) -> Iterator[Piece]:
    """Give parts with what stands around them."""
    for part in parts:
        yield _head(part, boundary)
        yield from part.body
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _head(part: Part, boundary: str) -> bytes:
    head = f"--{boundary}\r\nContent-Type: {part.media}\r\nContent-Location: {part.location}\r\n"
    return f"{head}Content-Length: {size_of(part.body)}\r\n\r\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeParts(Later):
    """Parts that are each made when their turn comes, so that nobody knows the length of the whole before.

    The first one is made before the answer begins: what cannot be made at all is refused in words.
    """

    media: str
    makers: Sequence[Callable[[], Part]]
    threads: Threads
    heavy: Threads
    """Where parts are made."""
    headers: Mapping[str, str]

    async def send(self, request: web.Request) -> web.StreamResponse:
        part = await self.heavy.run(self.makers[0])
        boundary = new_boundary()
        response = web.StreamResponse(headers=dict(self.headers))
        response.headers["Content-Type"] = multipart_type(self.media, boundary)
        await response.prepare(request)
        sender = _Sender(request, response, self.threads, kernel_copies=False)
        try:
            for maker in [*self.makers[1:], None]:
                await sender.send_all([_head(part, boundary), *part.body, b"\r\n"])
                if maker is not None:
                    part = await self.heavy.run(maker)
        finally:
            sender.close()
        await response.write(f"--{boundary}--\r\n".encode())
        await response.write_eof()
        return response


class _Sender:
    """Writes pieces in order: small ones gathered, the next of them being read while these are sent.

    Keeps one file open, since neighbours mostly lie in the same pack.
    """

    def __init__(
        self,
        request: web.Request,
        response: web.StreamResponse,
        threads: Threads,
        *,
        kernel_copies: bool = True,
    ) -> None:
        self._request = request
        self._response = response
        self._threads = threads
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        # Chunked transfer frames what it sends, and TLS seals it.
        self._kernel_copies = kernel_copies and not request.secure

    async def send_all(self, pieces: Sequence[Piece]) -> None:
        """Send pieces; what is in memory already goes out at once, so that a client knows soon that more comes."""
        ready_made = list(takewhile(lambda piece: isinstance(piece, bytes), pieces))
        if ready_made:
            await self._response.write(b"".join(piece for piece in ready_made if isinstance(piece, bytes)))
            pieces = pieces[len(ready_made) :]
        reading: asyncio.Task[bytes] | None = None
        try:
            for batch in _batches(pieces, self._kernel_copies):
                if isinstance(batch, list):
                    following = asyncio.ensure_future(self._threads.run(partial(self._gathered, batch)))
                    reading, ready = following, reading
                    if ready is not None:
                        await self._response.write(await ready)
                    await asyncio.wait([following])  # one reads at a time: they share the file
                    continue
                if reading is not None:
                    ready, reading = reading, None
                    await self._response.write(await ready)
                await self._send_alone(batch)
            if reading is not None:
                await self._response.write(await reading)
        except BaseException:
            if reading is not None:
                await asyncio.wait([reading])
            raise

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _send_alone(self, piece: Region | Made) -> None:
        if isinstance(piece, Made):
            await self._response.write(await piece.threads.run(piece.give))
            return
        opened, region = await self._threads.run(partial(self._opened, piece))
        await self._sendfile(opened, region)

    def _gathered(self, pieces: Sequence[bytes | Region]) -> bytes:
        """Read pieces into one run of bytes. Blocks."""
        found = bytearray(size_of(pieces))
        view, at = memoryview(found), 0
        for piece in pieces:
            size = length_of(piece)
            if isinstance(piece, bytes):
                view[at : at + size] = piece
            else:
                file, region = self._opened(piece)
                _read_into(file.fileno(), region.offset, view[at : at + size])
            at += size
        return found  # type: ignore[return-value]  # nobody changes it

    def _opened(self, region: Region) -> tuple[BinaryIO, Region]:
        """Give the file that a region lies in, and the region as it is now. Blocks."""
        try:
            return self._open(region.path), region
        except FileNotFoundError:
            moved = region.again() if region.again is not None else None
            if moved is None:
                raise
            return self._open(moved.path), moved

    def _open(self, path: Path) -> BinaryIO:
        if self._file is None or self._path != path:
            self.close()
            self._file, self._path = path.open("rb", buffering=0), path
        return self._file

    async def _sendfile(self, file: BinaryIO, piece: Region) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        sent = await asyncio.get_running_loop().sendfile(
            transport, file, piece.offset, piece.length, fallback=False
        )
        if sent != piece.length:
            raise ConnectionResetError  # the length has been promised: the client must see a broken answer


def _batches(pieces: Sequence[Piece], kernel_copies: bool) -> Iterator[list[bytes | Region] | Region | Made]:
    """Give what is sent in one go: small pieces together, long regions alone or, without the kernel's help, in parts."""
    batch: list[bytes | Region] = []
    size = 0
    for piece in pieces:
        alone = isinstance(piece, Made) or (
            kernel_copies and isinstance(piece, Region) and piece.length >= SENDFILE_FROM_BYTES
        )
        for part in [piece] if alone else _parts(piece):
            if (alone or size >= CHUNK_BYTES) and batch:
                yield batch
                batch, size = [], 0
            if isinstance(part, Made) or (alone and isinstance(part, Region)):
                yield part
            else:
                batch.append(part)
                size += size_of([part])
    if batch:
        yield batch


def _parts(piece: Piece) -> Iterator[Piece]:
    """Cut a long region into what is read at a time."""
    if not isinstance(piece, Region) or piece.length <= CHUNK_BYTES:
        yield piece
        return
    for start in range(0, piece.length, CHUNK_BYTES):
        yield part_of_region(piece, start, min(start + CHUNK_BYTES, piece.length))


def part_of_region(region: Region, first: int, last: int) -> Region:
    """Give what lies between two places of a region, wherever it is by then."""

    def again() -> Region | None:
        moved = region.again() if region.again is not None else None
        return None if moved is None else part_of_region(moved, first, last)

    return replace(region, offset=region.offset + first, length=last - first, again=again)


def _read_into(descriptor: int, offset: int, place: memoryview) -> None:
    while place:
        count = os.preadv(descriptor, [place], offset)
        if not count:
            raise Damaged("Reading an instance failed: its pack ends too early. Run 'meridian verify'.")
        offset, place = offset + count, place[count:]
