"""Give pieces of pack files and bytes as one HTTP answer, with memory that does not grow with the study.

The length of the whole is known before the first byte, so a client that gets
less knows that it was cut. The kernel copies what lies in files (`kernel_copy`); where it cannot, since TLS
seals what is sent, chunks frame it or pieces are made on the way, pieces are
gathered beside the loop, the next being read while these are sent.

Source: RFC 2387 (multipart/related), DICOM PS3.18 8.7.1.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

from aiohttp import web

from node.errors import Damaged
from node.store import regions
from node.store.packs import Packs
from node.store.regions import Region, length_of, size_of
from web.answers import Later
from web.dicomweb.kernel_copy import kernel_copy
from web.dicomweb.latest_file import LatestFile
from web.threads import Threads

CHUNK_BYTES = 1 << 20
"""What is read and written at a time."""
SHORT_BYTES = 4 << 10
BATCH_FROM_BYTES = 64 << 10
READ_AT_ONCE_BYTES = 1 << 20
"""A few runs of bytes up to this are read where they were found: that is quicker than another hop."""
FEW_PIECES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Made(regions.Made):
    """Bytes that are made when their turn comes, in threads that may burn a core."""

    threads: Threads = field(compare=False)


Piece = bytes | Region | Made
_HEAD = (
    "--{boundary}\r\nContent-Type: {media}\r\nContent-Location: {location}\r\nContent-Length: {size}\r\n\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart answer."""

    media: str
    """Its Content-Type."""
    location: str
    size: int
    """Of its body, in bytes."""
    give: Callable[[], Sequence[Piece]]
    """Gives its body when it is its turn."""


def read_pieces(pieces: Sequence[Piece]) -> bytes:
    """Read everything; for what is small. Blocks."""
    return b"".join(
        piece.give() if isinstance(piece, Made) else regions.read_pieces([piece]) for piece in pieces
    )


def read_from_memory(packs: Packs, pieces: Sequence[Piece]) -> bytearray | None:
    """Read pieces that the kernel holds in memory; None when a disk would be waited for, they are long, or are to be made.

    Raises
    ------
    NotFound
        A pack is gone.
    """
    size, at = size_of(pieces), 0
    if size > READ_AT_ONCE_BYTES:
        return None
    found = bytearray(size)
    place = memoryview(found)
    for piece in pieces:
        count = length_of(piece)
        if isinstance(piece, bytes):
            place[at : at + count] = piece
        elif isinstance(piece, Made) or not _is_read(packs, piece, place[at : at + count]):
            return None
        at += count
    return found


def _is_read(packs: Packs, region: Region, place: memoryview) -> bool:
    descriptor = packs.opened(region.path)
    try:
        return os.preadv(descriptor.number, [place], region.offset, os.RWF_NOWAIT) == region.length
    except OSError:
        return False  # EAGAIN, or a file system that cannot say


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream(Later):
    """Pieces in order, as one body."""

    pieces: Iterable[Piece]
    size: int
    """Of all of them, in bytes."""
    threads: Threads
    headers: Mapping[str, str]
    status: int = 200
    kernel_copies: bool = True
    """Whether none is made on the way."""

    async def send(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=self.status, headers=dict(self.headers))
        response.content_length = self.size
        await response.prepare(request)
        pieces = await _sent_ready_made(response, iter(self.pieces))
        copying = kernel_copy(request.transport, self.threads) if self.kernel_copies else None
        if copying is not None:
            with closing(copying):
                await copying.send(_plain(pieces))
        else:
            with closing(_Gathering(response, self.threads)) as gathering:
                await gathering.send(pieces)
        await response.write_eof()
        return response


def answer_pieces(
    pieces: Sequence[Piece], *, threads: Threads, headers: Mapping[str, str], status: int = 200
) -> Stream | web.Response:
    """Give pieces as an answer: read at once when they are few bytes, else streamed. Blocks."""
    size, is_plain = size_of(pieces), not any(isinstance(piece, Made) for piece in pieces)
    if is_plain and _is_short(size, len(pieces)):
        return web.Response(body=read_pieces(pieces), headers=dict(headers), status=status)
    return Stream(
        pieces=pieces, size=size, threads=threads, headers=headers, status=status, kernel_copies=is_plain
    )


def answer_parts(
    parts: Sequence[Part], *, media: str, threads: Threads, headers: Mapping[str, str]
) -> Stream | web.Response:
    """Give parts of one media type, none of which is made on the way, as a multipart/related answer. Blocks."""
    boundary = new_boundary()
    size = framed_size(parts, boundary)
    typed = {**headers, "Content-Type": multipart_type(media, boundary)}
    if _is_short(size, len(parts)):
        return web.Response(body=read_pieces(list(framed(parts, boundary))), headers=typed)
    return Stream(pieces=framed(parts, boundary), size=size, threads=threads, headers=typed)


def _is_short(size: int, runs: int) -> bool:
    """Say whether an answer of so many bytes, in so many runs, is read at once."""
    return size < (READ_AT_ONCE_BYTES if runs <= FEW_PIECES else BATCH_FROM_BYTES)


def new_boundary() -> str:
    """Draw what no body holds."""
    return secrets.token_hex(16)


def multipart_type(media: str, boundary: str) -> str:
    """Give the Content-Type of parts of one media type. Source: RFC 2387."""
    return f'multipart/related; type="{media}"; boundary={boundary}'


def part_of_pieces(*, media: str, location: str, body: Sequence[Piece]) -> Part:
    """Give a part whose body is known."""
    return Part(media=media, location=location, size=size_of(body), give=lambda: body)


def framed(parts: Sequence[Part], boundary: str) -> Iterator[Piece]:
    """Give parts with what stands around them; what is short is joined with its neighbours."""
    short = b""
    for part in parts:
        short += _head(part, boundary)
        for piece in part.give():
            if isinstance(piece, bytes) and len(piece) <= SHORT_BYTES:
                short += piece
            else:
                if short:
                    yield short
                yield piece
                short = b""
        short += b"\r\n"
        if len(short) > SHORT_BYTES:
            yield short
            short = b""
    yield short + f"--{boundary}--\r\n".encode()


def framed_size(parts: Sequence[Part], boundary: str) -> int:
    """Give the length of all that `framed` gives, in bytes."""
    around = len(_HEAD.format(boundary=boundary, media="", location="", size="") + "\r\n")
    said = sum(len(part.media) + len(part.location) + len(str(part.size)) + part.size for part in parts)
    return said + around * len(parts) + len(f"--{boundary}--\r\n")


def _head(part: Part, boundary: str) -> bytes:
    return _HEAD.format(boundary=boundary, media=part.media, location=part.location, size=part.size).encode(
        "ascii"
    )


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
        with closing(_Gathering(response, self.threads)) as gathering:
            for maker in [*self.makers[1:], None]:
                await gathering.send([_head(part, boundary), *part.give(), b"\r\n"])
                if maker is not None:
                    part = await self.heavy.run(maker)
        await response.write(f"--{boundary}--\r\n".encode())
        await response.write_eof()
        return response


def _plain(pieces: Iterable[Piece]) -> Iterator[bytes | Region]:
    for piece in pieces:
        assert not isinstance(piece, Made), "what is made on the way is gathered"
        yield piece


async def _sent_ready_made(response: web.StreamResponse, pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Send what is in memory before the first that is not, so that a client knows soon that more comes; give the rest."""
    ready_made = []
    for piece in pieces:
        if not isinstance(piece, bytes):
            pieces = chain((piece,), pieces)
            break
        ready_made.append(piece)
    if ready_made:
        await response.write(b"".join(ready_made))
    return pieces


class _Gathering:
    """Writes pieces in order: gathered, the next of them being read while these are sent."""

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
