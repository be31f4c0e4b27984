"""WADO-RS rendered: frames as JPEG or PNG, for lists, phones and programs without a viewer.

A study's or series' pictures come one after the other, each made when it is its
turn. An instance that holds no picture is left out of them.

Source: DICOM PS3.18 10.4.1.1.3, 8.3.5, 8.7.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from node.archive.archived import is_archived
from node.catalogue.fresh import read_fresh
from node.catalogue.search import InstanceRow
from node.errors import NotFound
from node.imaging.pixels import NoPicture
from web.answers import Later
from web.dicomweb.accept import choose_picture, choose_pictures, takes_one_picture, wanted
from web.dicomweb.frames import frame_numbers
from web.dicomweb.framing import multipart_type, new_boundary
from web.dicomweb.held import etag_as_corrected
from web.dicomweb.look import Look, read_look
from web.dicomweb.named import follow_viewed, held_by_call, with_held
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
def render_study(call: Call[NoBody]) -> Later | web.Response:
    """Give the pictures of a study."""
    return _several(call, ())


@at_both_roots(f"{_SERIES}/rendered")
def render_series(call: Call[NoBody]) -> Later | web.Response:
    """Give the pictures of a series."""
    return _several(call, ())


@at_both_roots(f"{_INSTANCE}/rendered", heavy=True)
def render_instance(call: Call[NoBody]) -> Later | web.Response:
    """Give the picture of an instance's first frame; as parts, those of all its frames."""
    if takes_one_picture(wanted(call.request)):
        return _one(call, 1)
    return _several(call, ())


@at_both_roots(f"{_INSTANCE}/frames/{{numbers}}/rendered", heavy=True)
def render_frames(call: Call[NoBody]) -> Later | web.Response:
    """Give the picture of a frame; several come as parts."""
    numbers = frame_numbers(call.path["numbers"])
    if not takes_one_picture(wanted(call.request)):
        return _several(call, numbers)
    if len(numbers) > 1:
        raise NotAcceptable(
            "Making pictures was refused: several come as multipart/related. Ask for that, or for one."
        )
    return _one(call, numbers[0])


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


def _one(call: Call[NoBody], number: int) -> web.Response:
    look = read_look(call.query, choose_picture(wanted(call.request)))

    def picture(held: list[InstanceRow]) -> web.Response:
        if is_archived(held[0].pack):
            follow_viewed(call)
        return answer_picture(call, held[0], number, look)

    return with_held(call, picture, brought=False)


def _several(call: Call[NoBody], numbers: Sequence[int]) -> Later | web.Response:
    look = read_look(call.query, choose_pictures(wanted(call.request)))
    held = held_by_call(call)
    tag = etag_as_corrected(call.node, held, "pictures", repr(numbers), repr(look))
    note_read(call)
    if unchanged(call, tag):
        return not_modified(tag)
    return Several(call=call, turns=tuple(_turns(held, numbers)), look=look, tag=tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Several(Later):
    """Pictures as parts, each made when it is its turn; the first before anything is promised."""

    call: Call[NoBody]
    turns: Sequence[Turn]
    look: Look
    tag: str

    async def send(self, request: web.Request) -> web.StreamResponse:
        turns = iter(self.turns)
        part = await _next_part(self.call, turns, self.look)
        if part is None:
            raise NoPicture("Making pictures was refused: these instances hold none. Read them as they are.")
        boundary = new_boundary()
        response = web.StreamResponse(headers={"ETag": self.tag, "Cache-Control": PRIVATE})
        response.headers["Content-Type"] = multipart_type(self.look.media, boundary)
        await response.prepare(request)
        while part is not None:
            await response.write(f"--{boundary}\r\n".encode() + part + b"\r\n")
            part = await _next_part(self.call, turns, self.look)
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
        try:
            picture = await call.around.heavy.run(partial(_picture, call, held, number, look))
        except (NoPicture, NotFound):
            continue
        where = f"{address_of(call, held)}/frames/{number}/rendered"
        head = f"Content-Type: {look.media}\r\nContent-Location: {where}\r\nContent-Length: {len(picture)}\r\n\r\n"
        return head.encode() + picture
    return None


def _picture(call: Call[NoBody], held: InstanceRow, number: int, look: Look) -> bytes:
    """Make the picture of one frame, or give it as it was made. Blocks."""
    tag = etag_as_corrected(call.node, [held], "picture", str(number), repr(look))
    make = partial(call.around.pictures.picture, call.node, number=number, look=look, tag=tag)
    return read_fresh(call.node, held, make)


ROUTES = (*render_study, *render_series, *render_instance, *render_frames)
