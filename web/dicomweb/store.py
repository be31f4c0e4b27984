"""STOW-RS: programs and people store instances over HTTP.

The body is taken apart while it comes; at most two chunks of it are in memory,
one being stored while the next is read. The answer leaves when all that it calls
stored is written, synced and marked, and the index has caught up or a while has
passed: the same promise, and the same wait, as for an association.

Source: DICOM PS3.18 10.5.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial

from aiohttp import web
from aiohttp.client_exceptions import ClientError
from aiohttp.http_exceptions import HttpProcessingError

from node.dimse.spool import Spool
from node.errors import NotFound
from node.journal.cursors import position
from node.names import is_uid
from node.node import Node
from node.store.packs import index_cursor
from web.dicomweb.accept import DICOM, DICOM_JSON, MULTIPART, wanted
from web.dicomweb.deposit import Deposit
from web.dicomweb.described import DescribedInstances
from web.dicomweb.multipart import MultipartReader, read_content_type
from web.dicomweb.outcome import answer_of, choose_answer
from web.dicomweb.roots import OWN_ROOT, root_of
from web.dicomweb.sender import open_sessions
from web.errors import Malformed, UnsupportedMedia
from web.guard import Sees
from web.routes import STORER, TECHNICIAN, Call, NoBody, route

CHUNK_BYTES = 2 << 20
"""How much is handed to a thread at a time."""
SILENCE_S = 60.0
"""Who sends nothing for so long is given up."""
SLOWEST_BYTES_S = 1024
"""Who sends less than this after that time holds a place for nothing."""
LOOK_S = 0.01
STORERS = TECHNICIAN | STORER
_TYPES = (DICOM, DICOM_JSON, "application/json", "")


@route(f"POST {OWN_ROOT}/studies", roles=STORERS, sees=Sees.BRINGS, streams=True)
async def store_instances(call: Call[NoBody]) -> web.StreamResponse:
    """Store instances of whatever studies."""
    return await _store(call, "")


@route(f"POST {OWN_ROOT}/studies/{{study_uid}}", roles=STORERS, sees=Sees.BRINGS, streams=True)
async def store_in_study(call: Call[NoBody]) -> web.StreamResponse:
    """Store instances of one study; those of another are refused, one by one."""
    study_uid = call.path["study_uid"]
    if not is_uid(study_uid):
        raise NotFound("Storing instances failed: the address names no study. Check it.")
    return await _store(call, study_uid)


async def _store(call: Call[NoBody], only: str) -> web.StreamResponse:
    media = choose_answer(wanted(call.request))
    make = _reader_for(call.request)
    async with call.around.storing.place():
        if length := call.request.content_length:
            await call.run(partial(call.node.packs.check_room, length))
        storing = call.around.storing
        sessions = await call.run(
            lambda: open_sessions(
                call.node, call.caller, address=call.address, only=only, lanes=storing.lanes
            )
        )
        deposit = Deposit(sessions, DescribedInstances(lambda: _new_spool(call.node)), storing.beside)
        threads = storing.threads
        try:
            reader = make(deposit)
            await _feed(call.request, lambda pieces: threads.run(partial(_feed_all, reader, pieces)))
            await threads.run(lambda: _finish(reader, deposit))
        except BaseException:
            await asyncio.shield(threads.run(deposit.drop))
            raise
        await _wait_for_index(call, deposit.reached)
    return answer_of(deposit.outcomes, root=root_of(call), media=media)


def _feed_all(reader: MultipartReader | _OneInstance, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        reader.feed(piece)


def _finish(reader: MultipartReader | _OneInstance, deposit: Deposit) -> None:
    reader.finish()
    deposit.finish()


def _new_spool(node: Node) -> Spool:
    return Spool(node.state / "packs", node.packs.check_room)


class _OneInstance:
    """A body that is one part, without a boundary."""

    def __init__(self, media: str, deposit: Deposit) -> None:
        self._deposit = deposit
        deposit.begin({"content-type": media})

    def feed(self, chunk: bytes) -> None:
        self._deposit.take(memoryview(chunk))

    def finish(self) -> None:
        self._deposit.end()


def _reader_for(request: web.Request) -> Callable[[Deposit], MultipartReader | _OneInstance]:
    """Choose how the body is read, by its Content-Type.

    Raises
    ------
    UnsupportedMedia
        It is of no kind that holds instances.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia(
            "Storing instances was refused: the body has a Content-Encoding. Send it without one."
        )
    media, parameters = read_content_type(request.headers.get("Content-Type", ""))
    if media == MULTIPART and parameters.get("type", "").lower() in _TYPES:
        boundary = parameters.get("boundary", "")
        return lambda deposit: MultipartReader(boundary, deposit)
    if media in (DICOM, DICOM_JSON):
        return lambda deposit: _OneInstance(media, deposit)
    raise UnsupportedMedia(
        f"Storing instances was refused: send {MULTIPART} of {DICOM} or {DICOM_JSON}, or one of these alone."
    )


async def _feed(request: web.Request, push: Callable[[Sequence[bytes]], Awaitable[None]]) -> None:
    """Hand the body on, many pieces at a time: they are worked on while the next come.

    Raises
    ------
    Malformed
        It ends before its length, or nothing comes for too long.
    """
    working: asyncio.Future[None] | None = None
    try:
        async for chunk in _chunks(request):
            if working is not None:
                await working
            working = asyncio.ensure_future(push(chunk))
        if working is not None:
            await working
    except BaseException:
        if working is not None:
            await asyncio.wait([working])
        raise


async def _chunks(request: web.Request) -> AsyncIterator[Sequence[bytes]]:
    """Give the pieces of the body as the network gave them: joining them would copy each once more."""
    pieces: list[bytes] = []
    size = came = 0
    began = time.monotonic()
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                piece, _ = await request.content.readchunk()
        except TimeoutError as error:
            raise Malformed(
                "Storing instances was given up: the rest of the body did not come in time. Send it again."
            ) from error
        except (ClientError, HttpProcessingError, ConnectionError) as error:
            raise Malformed(
                "Storing instances was given up: the body broke off before its end. Send it again whole."
            ) from error
        pieces.append(piece)
        size += len(piece)
        came += len(piece)
        spent = time.monotonic() - began
        if spent > SILENCE_S and came < spent * SLOWEST_BYTES_S:
            raise Malformed("Storing instances was given up: the body comes too slowly. Send it again.")
        if size >= CHUNK_BYTES or (not piece and size):
            yield pieces
            pieces, size = [], 0
        if not piece and request.content.at_eof():
            return


async def _wait_for_index(call: Call[NoBody], reached: Mapping[str, int]) -> None:
    """Wait until what was stored can be found, for as long as a released association would."""
    until = time.monotonic() + call.node.config.dicom.release_barrier_s
    for pack, offset in reached.items():
        while await call.run(partial(position, call.node.database, index_cursor(pack))) < offset:
            if time.monotonic() >= until:
                return
            await asyncio.sleep(LOOK_S)


ROUTES = (store_instances, store_in_study)
