"""Thumbnails of studies, series, instances and frames: one small picture each, made at first asking, then kept.

A series is shown by its middle instance, a study by its first series that has
pictures; of an instance with many frames the middle one. What lies in the archive
alone is shown as its package has it: a look at a list brings no study back.

Source: DICOM PS3.18 10.4.1.1.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from aiohttp import web

from node.archive.archived import is_archived
from node.catalogue.search import InstanceRow
from node.failpoints import planted
from node.imaging.pixels import NoPicture
from web.dicomweb.accept import choose_picture, wanted
from web.dicomweb.frames import frame_numbers
from web.dicomweb.look import Look, read_thumbnail
from web.dicomweb.named import with_held
from web.dicomweb.rendered import answer_picture
from web.dicomweb.roots import at_both_roots
from web.routes import Call, NoBody

TRIES = 3
"""Of series whose picture cannot be made before a study has none."""
_SERIES = "/studies/{study_uid}/series/{series_uid}"
_INSTANCE = f"{_SERIES}/instances/{{sop_uid}}"


@at_both_roots("/studies/{study_uid}/thumbnail", heavy=True)
def study_thumbnail(call: Call[NoBody]) -> web.Response:
    """Give the thumbnail of a study."""
    return _thumbnail(call)


@at_both_roots(f"{_SERIES}/thumbnail", heavy=True)
def series_thumbnail(call: Call[NoBody]) -> web.Response:
    """Give the thumbnail of a series."""
    return _thumbnail(call)


@at_both_roots(f"{_INSTANCE}/thumbnail", heavy=True)
def instance_thumbnail(call: Call[NoBody]) -> web.Response:
    """Give the thumbnail of an instance."""
    return _thumbnail(call)


@at_both_roots(f"{_INSTANCE}/frames/{{numbers}}/thumbnail", heavy=True)
def frame_thumbnail(call: Call[NoBody]) -> web.Response:
    """Give the thumbnail of a frame."""
    (number, *_) = frame_numbers(call.path["numbers"])
    look = _look(call)
    return with_held(call, lambda held: _small(call, held[0], number, look), brought=False)


def _look(call: Call[NoBody]) -> Look:
    return read_thumbnail(call.query, choose_picture(wanted(call.request)))


def _thumbnail(call: Call[NoBody]) -> web.Response:
    look = _look(call)

    def first(held: list[InstanceRow]) -> web.Response:
        refused: NoPicture | None = None
        for one in _shown(held):
            try:
                return _small(call, one, (one.frames + 1) // 2, look)
            except NoPicture as error:
                refused = error
        raise refused or NoPicture("Making a picture was refused: there is none here. Read what is there.")

    return with_held(call, first, brought=False)


def _small(call: Call[NoBody], held: InstanceRow, number: int, look: Look) -> web.Response:
    try:
        return answer_picture(call, held, number, look)
    except FileNotFoundError as error:
        if not is_archived(held.pack) or planted("thumbnail-brings"):
            raise
        raise NoPicture(
            "Making a picture was put off: the study lies in the archive, and no store gives it at once. Open the study."
        ) from error


def _shown(held: Sequence[InstanceRow]) -> Iterator[InstanceRow]:
    """Give the middle instance of each series that has pictures; of the first few."""
    with_pictures = [one for one in held if one.rows and one.columns]
    by_series = [list(group) for _, group in groupby(with_pictures, key=lambda one: one.series_uid)]
    for series in by_series[:TRIES]:
        yield series[len(series) // 2]


ROUTES = (*study_thumbnail, *series_thumbnail, *instance_thumbnail, *frame_thumbnail)
