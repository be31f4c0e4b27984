"""WADO-RS rendered: frames as JPEG or PNG, for lists, phones and programs without a viewer.

A study's or series' pictures come one after the other, each made when it is its
turn. An instance that holds no picture is left out of them.

Source: DICOM PS3.18 10.4.1.1.3, 8.3.5, 8.7.4.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from functools import partial

from aiohttp import web

from node.catalogue.search import InstanceRow
from node.errors import NotFound
from node.imaging.pixels import NoPicture
from web.dicomweb.accept import MULTIPART, choose_picture, choose_pictures, takes_one_picture, wanted
from web.dicomweb.frames import frame_numbers
from web.dicomweb.held import etag_as_corrected
from web.dicomweb.look import Look, read_look
from web.dicomweb.named import held_by_call, with_held
from web.dicomweb.reading import note_read
from web.dicomweb.retrieve import PRIVATE, address_of, not_modified, unchanged
from web.dicomweb.roots import at_both_roots
from web.errors import NotAcceptable
from web.routes import Call, NoBody

Turn = tuple[InstanceRow, int]
"""A frame whose picture is to come."""
_SERIES = "/studies/{study_uid}/series/{series_uid}"
_INSTANCE = f"{_SERIES}/instances/{{sop_uid}}"


@at_both_roots("/studies/{study_uid}/rendered")
async def render_study(call: Call[NoBody]) -> web.StreamResponse:
    """Give the pictures of a study."""
    return await _several(call, ())


@at_both_roots(f"{_SERIES}/rendered")
async def render_series(call: Call[NoBody]) -> web.StreamResponse:
    """Give the pictures of a series."""
    return await _several(call, ())


@at_both_roots(f"{_INSTANCE}/rendered")
async def render_instance(call: Call[NoBody]) -> web.StreamResponse:
    """Give the picture of an instance's first frame; as parts, those of all its frames."""
    if takes_one_picture(wanted(call.request)):
        return await _one(call, 1)
    return await _several(call, ())


@at_both_roots(f"{_INSTANCE}/frames/{{numbers}}/rendered")
async def render_frames(call: Call[NoBody]) -> web.StreamResponse:
    """Give the picture of a frame; several come as parts."""
    numbers = frame_numbers(call.path["numbers"])
    if not takes_one_picture(wanted(call.request)):
        return await _several(call, numbers)
    if len(numbers) > 1:
        raise NotAcceptable(
            "Making pictures was refused: several come as multipart/related. Ask for that, or for one."
        )
    return await _one(call, numbers[0])


def answer_picture(call: Call[NoBody], held: InstanceRow, number: int, look: Look) -> web.Response:
    """Give the picture of one frame. Blocks."""
    tag = etag_as_corrected(call.node, [held], "picture", str(number), repr(look))
    note_read(call)
    if unchanged(call, tag):
        return not_modified(tag)
    picture = call.around.pictures.picture(call.node, held, number, look, tag=tag)
    return web.Response(
        body=picture, content_type=look.media, headers={"ETag": tag, "Cache-Control": PRIVATE}
    )


async def _one(call: Call[NoBody], number: int) -> web.StreamResponse:
    look = read_look(call.query, choose_picture(wanted(call.request)))
    return await call.around.heavy.run(
        lambda: with_held(call, lambda held: answer_picture(call, held[0], number, look))
    )


async def _several(call: Call[NoBody], numbers: Sequence[int]) -> web.StreamResponse:
    """Send pictures as parts; the first is made before anything is promised."""
    look = read_look(call.query, choose_pictures(wanted(call.request)))
    held = await call.run(partial(held_by_call, call))
    tag = etag_as_corrected(call.node, held, "pictures", repr(numbers), repr(look))
    await call.run(partial(note_read, call))
    if unchanged(call, tag):
        return not_modified(tag)
    turns = iter(_turns(held, numbers))
    part = await _next_part(call, turns, look)
    if part is None:
        raise NoPicture("Making pictures was refused: these instances hold none. Read them as they are.")
    boundary = secrets.token_hex(16)
    response = web.StreamResponse(headers={"ETag": tag, "Cache-Control": PRIVATE})
    response.headers["Content-Type"] = f'{MULTIPART}; type="{look.media}"; boundary={boundary}'
    await response.prepare(call.request)
    while part is not None:
        await response.write(f"--{boundary}\r\n".encode() + part + b"\r\n")
        part = await _next_part(call, turns, look)
    await response.write(f"--{boundary}--\r\n".encode())
    await response.write_eof()
    return response


def _turns(held: Sequence[InstanceRow], numbers: Sequence[int]) -> Iterator[Turn]:
    for one in held:
        if one.rows:  # what has none holds no picture
            yield from ((one, number) for number in numbers or range(1, one.frames + 1))


async def _next_part(call: Call[NoBody], turns: Iterator[Turn], look: Look) -> bytes | None:
    """Give the next picture with its headers; None when there is none left."""
    for held, number in turns:
        tag = etag_as_corrected(call.node, [held], "picture", str(number), repr(look))
        try:
            picture = await call.around.heavy.run(
                partial(call.around.pictures.picture, call.node, held, number, look, tag=tag)
            )
        except (NoPicture, NotFound):
            continue
        where = f"{address_of(call, held)}/frames/{number}/rendered"
        head = f"Content-Type: {look.media}\r\nContent-Location: {where}\r\nContent-Length: {len(picture)}\r\n\r\n"
        return head.encode() + picture
    return None


ROUTES = (*render_study, *render_series, *render_instance, *render_frames)
