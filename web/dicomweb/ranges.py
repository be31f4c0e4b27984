"""Parts of an answer by Range: one run of bytes, for a client that goes on where it was cut off.

Several ranges in one request get the whole, as the standard lets a server do.

Source: RFC 9110 14 (range requests), 13.1.5 (If-Range); DICOM PS3.18 8.4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from aiohttp import web

from node.store.regions import Region, length_of, size_of
from web.answers import json_answer
from web.dicomweb.pieces import Made, Piece, part_of_region
from web.dicomweb.stream import Stream, answer_pieces
from web.errors import HttpError
from web.threads import Threads

_ONE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*", re.ASCII)


def answer_ranged(
    request: web.Request, pieces: Sequence[Piece], *, threads: Threads, headers: Mapping[str, str]
) -> Stream | web.Response:
    """Give pieces, or the run of them that is asked for. Blocks."""
    size = size_of(pieces)
    plain = {**headers, "Accept-Ranges": "bytes"}
    wanted = asked_range(request.headers, size, tag=headers.get("ETag", ""))
    if wanted is None:
        return answer_pieces(pieces, threads=threads, headers=plain)
    start, stop = wanted
    if start >= stop:
        return _unsatisfiable(size)
    plain["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return answer_pieces(cut(pieces, start, stop), threads=threads, headers=plain, status=206)


def asked_range(headers: Mapping[str, str], size: int, *, tag: str) -> tuple[int, int] | None:
    """Give begin and end of the run asked for, an empty one when there is none; None for the whole."""
    found = _ONE.fullmatch(headers.get("Range", ""))
    if found is None or not (found[1] or found[2]) or headers.get("If-Range", tag) != tag:
        return None
    if not found[1]:
        return max(size - int(found[2]), 0), size if int(found[2]) else 0
    start, stop = int(found[1]), int(found[2]) + 1 if found[2] else size
    if found[2] and stop <= start:
        return None  # its end lies before its begin: no range
    return start, min(stop, size)


def cut(pieces: Sequence[Piece], start: int, stop: int) -> list[Piece]:
    """Give what lies between two places of pieces."""
    found: list[Piece] = []
    at = 0
    for piece in pieces:
        size = length_of(piece)
        first, last = max(start - at, 0), min(stop - at, size)
        if first < last:
            found.append(piece if (first, last) == (0, size) else _part(piece, first, last))
        at += size
    return found


def _part(piece: Piece, first: int, last: int) -> Piece:
    match piece:
        case Region():
            return part_of_region(piece, first, last)
        case Made():
            return replace(piece, length=last - first, make=lambda: piece.give()[first:last])
        case _:
            return piece[first:last]


def _unsatisfiable(size: int) -> web.Response:
    error = HttpError(
        status=416,
        code="range",
        message=f"Reading a range was refused: it begins behind the end. There are {size} bytes; ask within them.",
    )
    answer = json_answer(error.body(), status=416)
    answer.headers["Content-Range"] = f"bytes */{size}"
    return answer
