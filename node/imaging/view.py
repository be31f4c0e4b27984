"""What of a picture is shown, how large, and what is written on it.

Pure: a picture in, a picture out.

Source: DICOM PS3.18 8.3.5.1 (annotation, viewport).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from node.errors import InvalidRequest
from node.imaging.render import Picture

MOST_PIXELS = 4096
"""Of each side of a viewport."""
_LINES = 30
"""A line of annotation is this part of the picture's height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewport:
    """The largest size a picture may have, and which part of the frame it shows."""

    width: int
    height: int
    left: float = 0
    top: float = 0
    region_width: float = 0
    """0: up to the right edge; below 0 the picture is mirrored."""
    region_height: float = 0


def read_viewport(text: str, *, cuts: bool = True) -> Viewport:
    """Read ``vw,vh`` or ``vw,vh,sx,sy,sw,sh``; what is left empty is the whole.

    Parameters
    ----------
    cuts
        Whether a region may be named.

    Raises
    ------
    InvalidRequest
        It is neither, or too large.

    Source: DICOM PS3.18 8.3.5.1.3.
    """
    wrong = InvalidRequest(
        "Making a picture was refused: viewport must be its width and height, of 1 to"
        f" {MOST_PIXELS} pixels, and if wanted left, top, width and height of the part to show."
    )
    parts = text.split(",")
    if len(parts) not in ((2, 6) if cuts else (2,)):
        raise wrong
    try:
        width, height = (round(float(part)) for part in parts[:2])
        left, top, region_width, region_height = (float(part or 0) for part in [*parts[2:], *"0000"][:4])
    except (ValueError, OverflowError) as error:
        raise wrong from error
    if not (0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS):
        raise wrong
    if not all(abs(number) < 1 << 20 for number in (left, top, region_width, region_height)):
        raise wrong
    return Viewport(
        width=width,
        height=height,
        left=left,
        top=top,
        region_width=region_width,
        region_height=region_height,
    )


def fitted(picture: Picture, viewport: Viewport) -> Picture:
    """Cut the region out and scale it into the viewport; its proportions stay.

    Raises
    ------
    InvalidRequest
        The region lies outside the picture.
    """
    from PIL import Image

    rows, columns = picture.shape[:2]
    left, top = round(viewport.left), round(viewport.top)
    width = round(abs(viewport.region_width)) or columns - left
    height = round(abs(viewport.region_height)) or rows - top
    part = picture[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    if not part.size:
        raise InvalidRequest("Making a picture was refused: the viewport shows no part of the frame.")
    if viewport.region_width < 0:
        part = part[:, ::-1]
    if viewport.region_height < 0:
        part = part[::-1]
    scale = min(viewport.width / part.shape[1], viewport.height / part.shape[0])
    size = (max(round(part.shape[1] * scale), 1), max(round(part.shape[0] * scale), 1))
    if size == (part.shape[1], part.shape[0]):
        return np.ascontiguousarray(part)
    image = Image.fromarray(np.ascontiguousarray(part))
    how = Image.Resampling.BILINEAR if scale > 1 else Image.Resampling.BOX
    return np.asarray(image.resize(size, how))


def annotated(picture: Picture, *, left: Sequence[str] = (), right: Sequence[str] = ()) -> Picture:
    """Write lines into the upper corners, white on black, so that they are read on any picture."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    height = max(picture.shape[0] // _LINES, 10)
    font, drawing = _font(height), ImageDraw.Draw(image)
    white = 255 if image.mode == "L" else (255, 255, 255)
    for x, anchor, lines in ((4, "la", left), (picture.shape[1] - 4, "ra", right)):
        for n, line in enumerate(lines):
            place = (x, 4 + n * (height + 4))
            drawing.text(place, line, fill=white, font=font, anchor=anchor, stroke_width=1, stroke_fill=0)
    return np.asarray(image)


@lru_cache(maxsize=8)
def _font(height: int) -> Any:
    from PIL import ImageFont
    from pylopdf_fonts_zh_cn import sans_path

    return ImageFont.truetype(str(sans_path()), height)
