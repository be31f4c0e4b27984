"""WADO-RS: frames as they are stored, by `pread` from the pack.

Where a frame lies is worked out once and remembered; the instance is not read
for it again. Native frames are given in little endian.

Source: DICOM PS3.18 10.4.1.1.6 and 8.7.3.3.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from node.catalogue.search import InstanceRow
from node.dicom.syntax import EXPLICIT_LITTLE, is_encapsulated
from node.errors import InvalidRequest
from web.answers import Later
from web.dicomweb.accept import choose_frame_media, wanted
from web.dicomweb.held import etag_of
from web.dicomweb.named import with_held
from web.dicomweb.reading import note_read
from web.dicomweb.retrieve import PRIVATE, not_modified, unchanged
from web.dicomweb.roots import at_both_roots, root_of
from web.dicomweb.stream import Part, answer_parts, answer_pieces
from web.errors import NotAcceptable
from web.routes import Call, NoBody

REMEMBERED = 20_000
LISTED = 1000


@at_both_roots("/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}/frames/{numbers}")
def retrieve_frames(call: Call[NoBody]) -> Later | web.Response:
    """Give frames by their numbers from 1: one alone or as a part, several as parts in the order asked for."""
    numbers = frame_numbers(call.path["numbers"])
    return with_held(call, lambda held: _frames(call, held[0], numbers))


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


def _frames(call: Call[NoBody], held: InstanceRow, numbers: Sequence[int]) -> Later | web.Response:
    media, multipart = choose_frame_media(wanted(call.request), held.transfer_syntax)
    if not multipart and len(numbers) > 1:
        raise NotAcceptable(
            "Reading frames was refused: several come as multipart/related. Ask for that, or for one."
        )
    tag = etag_of([held], "frames", call.path["numbers"], media)
    note_read(call)
    if unchanged(call, tag):
        return not_modified(tag)
    syntax = held.transfer_syntax if is_encapsulated(held.transfer_syntax) else EXPLICIT_LITTLE
    typed, headers = f"{media}; transfer-syntax={syntax}", {"ETag": tag, "Cache-Control": PRIVATE}
    frames = [call.around.frames.pieces(call.node, held, number) for number in numbers]
    if not multipart:
        return answer_pieces(
            frames[0], threads=call.around.threads, headers={**headers, "Content-Type": typed}
        )
    where = f"{root_of(call)}/studies/{call.study.study_uid}/series/{held.series_uid}/instances/{held.sop_uid}/frames"
    parts = [
        Part(media=typed, location=f"{where}/{number}", body=frame)
        for number, frame in zip(numbers, frames, strict=True)
    ]
    return answer_parts(parts, media=media, threads=call.around.threads, headers=headers)


ROUTES = (*retrieve_frames,)
