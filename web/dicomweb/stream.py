"""Give pieces of pack files and bytes as one HTTP answer, with memory that does not grow with the study.

The length of the whole is known before the first byte, so a client that gets
less knows that it was cut. The kernel copies what lies in files (`kernel_copy`); where it cannot, pieces are
gathered (`gathering`).

Source: DICOM PS3.18 8.7.1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

from aiohttp import web

from node.store.packs import Packs
from node.store.regions import Region, length_of, size_of
from web.answers import Later
from web.dicomweb.framing import Part, framed, framed_size, head_of, multipart_type, new_boundary
from web.dicomweb.gathering import Gathering
from web.dicomweb.kernel_copy import kernel_copy
from web.dicomweb.pieces import Made, Piece, read_pieces
from web.threads import Threads

BATCH_FROM_BYTES = 64 << 10
READ_AT_ONCE_BYTES = 1 << 20
"""A few runs of bytes up to this are read where they were found: that is quicker than another hop."""
FEW_PIECES = 8


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
            with closing(Gathering(response, self.threads)) as gathering:
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
        with closing(Gathering(response, self.threads)) as gathering:
            for maker in [*self.makers[1:], None]:
                await gathering.send([head_of(part, boundary), *part.give(), b"\r\n"])
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
