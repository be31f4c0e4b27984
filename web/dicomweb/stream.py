"""Give pieces of pack files and bytes as one HTTP answer, with memory that does not grow with the study.

The length of the whole is known before the first byte, so a client that gets
less knows that it was cut. Without TLS the kernel copies (`sendfile`); under
TLS chunks are read beside the loop.

Source: RFC 2387 (multipart/related), DICOM PS3.18 8.7.1.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from node.store.regions import CHUNK_BYTES, Piece, Region, read_exactly, read_pieces, size_of
from web.answers import Later
from web.threads import Threads

SENDFILE_FROM_BYTES = 64 << 10
"""Below this a copy is cheaper than the extra system calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart answer."""

    media: str
    """Its Content-Type."""
    location: str
    body: Sequence[Piece]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream(Later):
    """Pieces in order, as one body."""

    pieces: Sequence[Piece]
    threads: Threads
    headers: Mapping[str, str]

    async def send(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=dict(self.headers))
        response.content_length = size_of(self.pieces)
        await response.prepare(request)
        sender = _Sender(request, response, self.threads)
        try:
            for piece in self.pieces:
                await sender.send(piece)
        finally:
            sender.close()
        await response.write_eof()
        return response


def answer_pieces(
    pieces: Sequence[Piece], *, threads: Threads, headers: Mapping[str, str]
) -> Stream | web.Response:
    """Give pieces as an answer: read at once when they are few bytes, else streamed. Blocks."""
    if size_of(pieces) < SENDFILE_FROM_BYTES:
        return web.Response(body=read_pieces(pieces), headers=dict(headers))
    return Stream(pieces=pieces, threads=threads, headers=headers)


def answer_parts(
    parts: Sequence[Part], *, media: str, threads: Threads, headers: Mapping[str, str]
) -> Stream | web.Response:
    """Give parts of one media type as a multipart/related answer. Blocks."""
    boundary = secrets.token_hex(16)
    content_type = f'multipart/related; type="{media}"; boundary={boundary}'
    return answer_pieces(
        list(_framed(parts, boundary)), threads=threads, headers={**headers, "Content-Type": content_type}
    )


def _framed(parts: Sequence[Part], boundary: str) -> Iterator[Piece]:
    for part in parts:
        head = f"--{boundary}\r\nContent-Type: {part.media}\r\nContent-Location: {part.location}\r\n"
        yield f"{head}Content-Length: {size_of(part.body)}\r\n\r\n".encode()
        yield from part.body
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


class _Sender:
    """Writes pieces in order; keeps one file open, since neighbours mostly lie in the same pack."""

    def __init__(self, request: web.Request, response: web.StreamResponse, threads: Threads) -> None:
        self._request = request
        self._response = response
        self._threads = threads
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._kernel_copies = not request.secure

    async def send(self, piece: Piece) -> None:
        if isinstance(piece, bytes):
            await self._response.write(piece)
            return
        try:
            file = await self._open(piece.path)
        except FileNotFoundError:
            moved = await self._threads.run(piece.again) if piece.again is not None else None
            if moved is None:
                raise
            piece = moved
            file = await self._open(piece.path)
        if self._kernel_copies and piece.length >= SENDFILE_FROM_BYTES and await self._sendfile(file, piece):
            return
        descriptor, end = file.fileno(), piece.offset + piece.length
        for offset in range(piece.offset, end, CHUNK_BYTES):
            count = min(CHUNK_BYTES, end - offset)
            await self._response.write(
                await self._threads.run(partial(read_exactly, descriptor, offset, count))
            )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _open(self, path: Path) -> BinaryIO:
        if self._file is None or self._path != path:
            self.close()
            self._file, self._path = await self._threads.run(lambda: path.open("rb", buffering=0)), path
        return self._file

    async def _sendfile(self, file: BinaryIO, piece: Region) -> bool:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        try:
            sent = await asyncio.get_running_loop().sendfile(
                transport, file, piece.offset, piece.length, fallback=False
            )
        except (NotImplementedError, asyncio.SendfileNotAvailableError):
            self._kernel_copies = False
            return False
        if sent != piece.length:
            raise ConnectionResetError  # the length has been promised: the client must see a broken answer
        return True
