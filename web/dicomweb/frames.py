"""WADO-RS: frames as they are stored, by `pread` from the pack.

Where a frame lies is worked out once and remembered; the instance is not read
for it again. Native frames are given in little endian.

Source: DICOM PS3.18 10.4.1.1.6 and 8.7.3.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from node.archive.archived import is_archived
from node.archive.reading import peek_frame
from node.catalogue.search import InstanceRow, peek_instance
from node.dicom.syntax import EXPLICIT_LITTLE, is_encapsulated
from node.errors import InvalidRequest
from web.answers import Later
from web.dicomweb.accept import choose_frame_media, wanted
from web.dicomweb.framing import framed, multipart_type, new_boundary, part_of_pieces
from web.dicomweb.held import etag_of
from web.dicomweb.named import follow_viewed, with_held
from web.dicomweb.pieces import Piece
from web.dicomweb.reading import is_noted, note_read
from web.dicomweb.retrieve import PRIVATE, address_of, not_modified, unchanged
from web.dicomweb.roots import at_both_roots
from web.dicomweb.stream import answer_parts, answer_pieces, read_from_memory
from web.errors import NotAcceptable
from web.routes import Call, NoBody

REMEMBERED = 20_000
LISTED = 1000


def _at_once(call: Call[NoBody]) -> web.Response | None:
    """Give one frame whose place is soon found and whose bytes are in the kernel's memory; None for any other."""
    path = call.path
    if "," in path["numbers"] or "digest" in call.query:
        return None
    held = peek_instance(call.node.database, call.study, path["sop_uid"])
    if held is None or held.series_uid != path["series_uid"] or is_archived(held.pack) or not is_noted(call):
        return None
    (number,) = frame_numbers(path["numbers"])
    region = call.around.frames.peek_region(call.node, held, number)
    answer = _described(call, held)
    if region is None or unchanged(call, answer.tag):
        return None
    pieces: list[Piece] = [region]
    headers = answer.headers
    if answer.multipart:
        boundary = new_boundary()
        part = part_of_pieces(media=answer.typed, location=f"{_place(call, held)}/{number}", body=pieces)
        pieces = list(framed([part], boundary))
        headers["Content-Type"] = multipart_type(answer.media, boundary)
    body = read_from_memory(call.node.packs, pieces)
    return None if body is None else web.Response(body=body, headers=headers)


@at_both_roots(
    "/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}/frames/{numbers}", quick=_at_once
)
def retrieve_frames(call: Call[NoBody]) -> Later | web.Response:
    """Give frames by their numbers from 1: one alone or as a part, several as parts in the order asked for."""
    numbers = frame_numbers(call.path["numbers"])
    return with_held(call, lambda held: _frames(call, held[0], numbers), brought=False)


def frame_numbers(text: str) -> list[int]:
    """Read a list of frame numbers.

    Raises
    ------
    InvalidRequest
        One is no number from 1, or there are too many.
    """
    parts = text.split(",")
    if len(parts) > LISTED or not all(
        part.isascii() and part.isdigit() and 0 < len(part) < 10 for part in parts
    ):
        raise InvalidRequest(
            f"Reading frames was refused: name up to {LISTED} by their numbers from 1, with commas between."
        )
    return [int(part) for part in parts]


def _from_archive(
    call: Call[NoBody], held: InstanceRow, numbers: Sequence[int]
) -> Later | web.Response | None:
    """Give frames as their package has them, to whoever takes its transfer syntax; None when they are to be brought."""
    frames = [peek_frame(call.node, held, number) for number in numbers]
    found = [frame for frame in frames if frame is not None]
    if len(found) < len(numbers):
        return None
    try:
        answer = _described(call, held, found[0].transfer_syntax)
    except NotAcceptable:
        return None
    if not answer.multipart and len(numbers) > 1:
        return None
    note_read(call)
    follow_viewed(call)
    if unchanged(call, answer.tag):
        return not_modified(answer.tag)
    bodies: list[list[Piece]] = [[bytes(frame.content)] for frame in found]
    return _given(call, held, answer, dict(zip(numbers, bodies, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Described:
    """How frames are given."""

    media: str
    typed: str
    """Media type and transfer syntax."""
    multipart: bool
    tag: str

    @property
    def headers(self) -> dict[str, str]:
        return {"ETag": self.tag, "Cache-Control": PRIVATE, "Content-Type": self.typed}


def _described(call: Call[NoBody], held: InstanceRow, lies_as: str = "") -> _Described:
    stored = lies_as or held.transfer_syntax
    media, multipart = choose_frame_media(wanted(call.request), stored)
    syntax = stored if is_encapsulated(stored) else EXPLICIT_LITTLE
    return _Described(
        media=media,
        typed=f"{media}; transfer-syntax={syntax}",
        multipart=multipart,
        tag=etag_of([held], "frames", call.path["numbers"], media, *([syntax] if lies_as else [])),
    )


def _frames(call: Call[NoBody], held: InstanceRow, numbers: Sequence[int]) -> Later | web.Response:
    if is_archived(held.pack):
        archived = _from_archive(call, held, numbers)
        if archived is None:
            raise FileNotFoundError(held.pack)  # `with_held` brings it
        return archived
    answer = _described(call, held)
    if not answer.multipart and len(numbers) > 1:
        raise NotAcceptable(
            "Reading frames was refused: several come as multipart/related. Ask for that, or for one."
        )
    note_read(call)
    if unchanged(call, answer.tag):
        return not_modified(answer.tag)
    pieces = {number: call.around.frames.pieces(call.node, held, number) for number in numbers}
    return _given(call, held, answer, pieces)


def _given(
    call: Call[NoBody], held: InstanceRow, answer: _Described, frames: Mapping[int, list[Piece]]
) -> Later | web.Response:
    threads, headers = call.around.threads, answer.headers
    if not answer.multipart:
        (frame,) = frames.values()
        return answer_pieces(frame, threads=threads, headers=headers)
    where = _place(call, held)
    parts = [
        part_of_pieces(media=answer.typed, location=f"{where}/{number}", body=frame)
        for number, frame in frames.items()
    ]
    return answer_parts(parts, media=answer.media, threads=threads, headers=headers)


def _place(call: Call[NoBody], held: InstanceRow) -> str:
    return f"{address_of(call, held)}/frames"


ROUTES = (*retrieve_frames,)
