"""WADO-URI: one object by the names in its query, as a file or as a picture, for viewers older than WADO-RS.

It stands beside the other services, at ``/dicomweb/wado``, so that bearer tokens
and the safety headers of data hold there too; the address is the viewer's setting.

Source: DICOM PS3.18 9.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from node.catalogue.search import InstanceRow
from node.dicom.syntax import EXPLICIT_LITTLE
from node.errors import InvalidRequest
from node.imaging.decompress import can_be_native
from node.imaging.view import MOST_PIXELS, Viewport
from node.imaging.window import Window
from web.answers import Later
from web.dicomweb.accept import ANY, DICOM, MediaRange, parse_accept
from web.dicomweb.held import etag_as_corrected
from web.dicomweb.look import Look, read_annotations, read_quality
from web.dicomweb.named import with_named
from web.dicomweb.ranges import answer_ranged
from web.dicomweb.reading import note_read
from web.dicomweb.rendered import answer_picture
from web.dicomweb.retrieve import PRIVATE, not_modified, part_of, unchanged
from web.dicomweb.roots import at_both_roots
from web.errors import Malformed, NotAcceptable
from web.guard import Sees
from web.routes import Call, NoBody

_PICTURES = ("image/jpeg", "image/png")
_NOT_HERE = ("anonymize", "presentationUID", "presentationSeriesUID")
"""What would change what is shown, and is not done here: better refused than left out."""


@at_both_roots("/wado", sees=Sees.QUERY)
async def retrieve_object(call: Call[NoBody]) -> web.StreamResponse:
    """Give an object that the query names."""
    query = call.query
    if query.get("requestType", "") != "WADO" or not query.get("objectUID"):
        raise Malformed(
            "Reading an object was refused: ask with requestType=WADO, studyUID, seriesUID and objectUID."
        )
    for name in _NOT_HERE:
        if query.get(name, "no") not in ("no", ""):
            raise NotAcceptable(f"Reading an object was refused: {name} is not offered here. Ask without it.")

    def give(held: list[InstanceRow]) -> Later | web.Response:
        return _answer(call, held[0])

    # A picture may be asked for: where those are made, files are named as quickly.
    answer = await call.around.heavy.run(
        lambda: with_named(
            call, give, series_uid=query.get("seriesUID", ""), sop_uid=query.get("objectUID", "")
        )
    )
    return await answer.send(call.request) if isinstance(answer, Later) else answer


def _answer(call: Call[NoBody], held: InstanceRow) -> Later | web.Response:
    media = _choose(parse_accept(call.query.get("contentType", "") or "*/*"), held)
    if media == DICOM:
        return _file(call, held)
    frame = _number(call.query, "frameNumber", 10**8) or 1
    return answer_picture(call, held, frame, read_look(call.query, media, held))


def _choose(ranges: tuple[MediaRange, ...], held: InstanceRow) -> str:
    """Give the media type: a picture of what has one, unless something else is asked for."""
    offered = (*_PICTURES, DICOM) if held.rows else (DICOM,)
    for range_ in ranges:
        for media in offered:
            if range_.takes(media):
                return media
    raise NotAcceptable(
        f"Reading an object was refused: contentType must be of {', '.join(offered)} for this one."
    )


def _file(call: Call[NoBody], held: InstanceRow) -> Later | web.Response:
    """Give it as a file: in explicit VR little endian, unless it is asked for otherwise.

    Source: DICOM PS3.18 9.1.2.2.6 (transferSyntax).
    """
    stored, asked = held.transfer_syntax, call.query.get("transferSyntax", "")
    convertible = can_be_native(stored)
    if asked in (ANY, stored) or (not asked and not convertible):
        syntax = stored
    elif asked in ("", EXPLICIT_LITTLE) and convertible:
        syntax = EXPLICIT_LITTLE
    else:
        raise NotAcceptable(
            f"Reading an object was refused: it is stored in {stored}. Ask with transferSyntax=* for it as it is."
        )
    tag = etag_as_corrected(call.node, [held], "file", syntax)
    note_read(call)
    if unchanged(call, tag):
        return not_modified(tag)
    part = part_of(call, held, syntax)
    headers = {"ETag": tag, "Cache-Control": PRIVATE, "Content-Type": part.media}
    return answer_ranged(call.request, part.give(), threads=call.around.threads, headers=headers)


def read_look(query: Mapping[str, str], media: str, held: InstanceRow) -> Look:
    """Read how a picture is to look.

    Source: DICOM PS3.18 9.1.2.2 (annotation, columns, imageQuality, region, rows, windowCenter, windowWidth).
    """
    return Look(
        media=media,
        quality=read_quality(query.get("imageQuality", "")),
        window=_window(query),
        viewport=_viewport(query, held),
        annotations=read_annotations(query.get("annotation", "")),
    )


def _window(query: Mapping[str, str]) -> Window | None:
    center, width = query.get("windowCenter", ""), query.get("windowWidth", "")
    if not center and not width:
        return None
    try:
        return Window(center=float(center), width=float(width))
    except ValueError as error:
        raise InvalidRequest(
            "Making a picture was refused: windowCenter and windowWidth must both be numbers."
        ) from error


def _viewport(query: Mapping[str, str], held: InstanceRow) -> Viewport | None:
    rows, columns = _number(query, "rows"), _number(query, "columns")
    region = query.get("region", "")
    if not (rows or columns or region):
        return None
    left, top, right, bottom = _region(region) if region else (0.0, 0.0, 1.0, 1.0)
    across, down = held.columns or 1, held.rows or 1
    wide, high = max(round((right - left) * across), 1), max(round((bottom - top) * down), 1)
    return Viewport(
        width=columns or (MOST_PIXELS if rows else wide),
        height=rows or (MOST_PIXELS if columns else high),
        left=left * across,
        top=top * down,
        region_width=wide,
        region_height=high,
    )


def _region(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        left = top = right = bottom = -1.0
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise InvalidRequest(
            "Making a picture was refused: region must be left,top,right,bottom from 0 to 1."
        )
    return left, top, right, bottom


def _number(query: Mapping[str, str], name: str, most: int = MOST_PIXELS) -> int:
    text = query.get(name, "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= most):
        raise InvalidRequest(f"Making a picture was refused: {name} must be 1 to {most}.")
    return int(text)


ROUTES = (*retrieve_object,)
