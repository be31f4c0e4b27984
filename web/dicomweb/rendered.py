"""WADO-RS rendered: a frame as JPEG or PNG, for lists, phones and programs without a viewer.

Source: DICOM PS3.18 10.4.1.1.4 and 8.3.5 (window, quality).
"""

from __future__ import annotations

from aiohttp import web

from node.catalogue.search import InstanceRow
from node.catalogue.stored import stored_beginning, stored_whole
from node.dicom.header import Header
from node.errors import InvalidRequest
from node.imaging.functional_groups import with_functional_groups
from node.imaging.pixels import read_pixel_facts
from node.imaging.render import render
from node.imaging.window import Shape, Window
from node.store.regions import read_pieces
from web.dicomweb.accept import choose_picture, wanted
from web.dicomweb.frames import frame_numbers
from web.dicomweb.held import etag_of
from web.dicomweb.named import with_held
from web.dicomweb.reading import note_read
from web.dicomweb.retrieve import PRIVATE, not_modified, unchanged
from web.dicomweb.roots import at_both_roots
from web.routes import Call, NoBody

QUALITY = 90
_SHAPES = {"linear": Shape.LINEAR, "linear-exact": Shape.LINEAR_EXACT, "sigmoid": Shape.SIGMOID}
_LAST_PIXEL_FACT = 0x00283010
_FUNCTIONAL_GROUPS = 0x52009230


@at_both_roots("/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}/rendered", heavy=True)
def render_instance(call: Call[NoBody]) -> web.Response:
    """Give the picture of an instance's first frame."""
    return with_held(call, lambda held: _picture(call, held[0], 1))


@at_both_roots(
    "/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}/frames/{numbers}/rendered", heavy=True
)
def render_frame(call: Call[NoBody]) -> web.Response:
    """Give the picture of a frame."""
    numbers = frame_numbers(call.path["numbers"])
    if len(numbers) != 1:
        raise InvalidRequest("Making a picture was refused: name one frame.")
    return with_held(call, lambda held: _picture(call, held[0], numbers[0]))


def read_window(text: str) -> Window:
    """Read ``center,width,function``; the function may be left out.

    Source: DICOM PS3.18 8.3.5.1.4.
    """
    center, _, rest = text.partition(",")
    width, _, function = rest.partition(",")
    try:
        return Window(center=float(center), width=float(width), shape=_SHAPES[function.lower() or "linear"])
    except (ValueError, KeyError) as error:
        raise InvalidRequest(
            "Making a picture was refused: window must be center,width,function with function"
            f" one of {', '.join(_SHAPES)}."
        ) from error


def _picture(call: Call[NoBody], held: InstanceRow, number: int) -> web.Response:
    media = choose_picture(wanted(call.request))
    asked, quality = call.query.get("window", ""), call.query.get("quality", str(QUALITY))
    if not (quality.isascii() and quality.isdigit() and 1 <= int(quality[:4]) <= 100):
        raise InvalidRequest("Making a picture was refused: quality must be 1 to 100.")
    tag = etag_of([held], "rendered", str(number), media, asked, quality)
    note_read(call)
    if unchanged(call, tag):
        return not_modified(tag)
    header = _header(call, held)
    facts = with_functional_groups(read_pixel_facts(header), header, number)
    picture = render(
        facts,
        read_pieces(call.around.frames.pieces(call.node, held, number)),
        transfer_syntax=held.transfer_syntax,
        media=media,
        window=read_window(asked) if asked else None,
        quality=int(quality),
    )
    return web.Response(body=picture, content_type=media, headers={"ETag": tag, "Cache-Control": PRIVATE})


def _header(call: Call[NoBody], held: InstanceRow) -> Header:
    header = stored_beginning(call.node, held)
    enough = header.covers(_LAST_PIXEL_FACT) and (held.frames == 1 or header.whole)
    return header if enough else stored_whole(call.node, held)


ROUTES = (*render_instance, *render_frame)
