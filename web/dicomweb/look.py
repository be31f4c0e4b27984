"""How a picture is to look, as an address says it.

Source: DICOM PS3.18 8.3.5.1 (annotation, quality, viewport, window).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from node.errors import InvalidRequest
from node.imaging.view import Viewport, read_viewport
from node.imaging.window import Shape, Window

QUALITY = 90
THUMBNAIL = Viewport(width=160, height=160)
_SHAPES = {"linear": Shape.LINEAR, "linear-exact": Shape.LINEAR_EXACT, "sigmoid": Shape.SIGMOID}
_ANNOTATIONS = ("patient", "technique")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All that decides about a picture beside the frame itself."""

    media: str
    quality: int = QUALITY
    window: Window | None = None
    """None: as the object says."""
    viewport: Viewport | None = None
    annotations: frozenset[str] = frozenset()


def read_look(query: Mapping[str, str], media: str) -> Look:
    """Read the parameters of a rendered resource.

    Raises
    ------
    InvalidRequest
        Names the one that cannot be used.
    """
    window, viewport = query.get("window", ""), query.get("viewport", "")
    return Look(
        media=media,
        quality=read_quality(query.get("quality", "")),
        window=read_window(window) if window else None,
        viewport=read_viewport(viewport) if viewport else None,
        annotations=read_annotations(query.get("annotation", "")),
    )


def read_thumbnail(query: Mapping[str, str], media: str) -> Look:
    """Read the one parameter of a thumbnail: how large it may be.

    Source: DICOM PS3.18 10.4.1.1.5.
    """
    text = query.get("viewport", "")
    return Look(media=media, viewport=read_viewport(text, cuts=False) if text else THUMBNAIL)


def read_quality(text: str) -> int:
    """Read 1 to 100. Source: DICOM PS3.18 8.3.5.1.2."""
    if not text:
        return QUALITY
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 100):
        raise InvalidRequest("Making a picture was refused: quality must be 1 to 100.")
    return int(text)


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


def read_annotations(text: str) -> frozenset[str]:
    """Read what is to be written on a picture. Source: DICOM PS3.18 8.3.5.1.1."""
    wanted = frozenset(part.strip().lower() for part in text.split(",")) - {""}
    if wanted - set(_ANNOTATIONS):
        raise InvalidRequest(
            f"Making a picture was refused: annotation must be of {', '.join(_ANNOTATIONS)}."
        )
    return wanted
