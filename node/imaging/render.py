"""One frame as a picture that any browser shows: PNG or JPEG.

Decides the look: rescale, window, colour. Who may see it, and which frame, is
decided before.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from node.dicom.syntax import is_encapsulated
from node.errors import InvalidRequest
from node.imaging.decode import GIVES_RGB, decode_frame
from node.imaging.pixels import NoPicture, Palette, PixelFacts, Stored, native_frame, stored_bits
from node.imaging.window import Window, invert, rescale, to_grey, window_of

PNG = "image/png"
JPEG = "image/jpeg"
TABLE_LIMIT = 1 << 16
STRIP = 64
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The stored values of a frame."""

    stored: Stored
    is_rgb: bool
    """Whether the codec has already turned them to RGB."""

    @property
    def bytes(self) -> int:
        return self.stored.nbytes


def render(
    facts: PixelFacts,
    frame: bytes,
    *,
    transfer_syntax: str,
    media: str = JPEG,
    window: Window | None = None,
    quality: int = 90,
) -> bytes:
    """Make a picture of a frame as it is stored.

    Parameters
    ----------
    window
        In rescaled values (HU for CT); by default the object's first, else one that shows every value.

    Raises
    ------
    NoPicture
        The frame holds none, or no codec reads it.

    Source: DICOM PS3.18 8.3.5.1 (rendering), PS3.4 N.2 (the order of the transformations).
    """
    return encode(show(stored_values(facts, frame, transfer_syntax), facts, window), media, quality)


def stored_values(facts: PixelFacts, frame: bytes, transfer_syntax: str) -> Values:
    """Read a frame's values, decoded when they are compressed; raises as `render` does."""
    with _contradictions():
        return _stored_values(facts, frame, transfer_syntax)


def show(values: Values, facts: PixelFacts, window: Window | None = None) -> Picture:
    """Give values as 8 bits of grey or RGB; raises as `render` does."""
    with _contradictions():
        if _is_colour(facts):
            return _coloured(values.stored, facts, decoded=values.is_rgb)
        return grey(values.stored, facts, window)


@contextmanager
def _contradictions() -> Iterator[None]:
    """Say in words that a description does not fit its pixels: it comes from anywhere, and is no mistake of ours."""
    try:
        yield
    except (ArithmeticError, IndexError, TypeError, ValueError, MemoryError) as error:
        raise NoPicture(
            "Making a picture was refused: what the instance says of its pixels contradicts itself. Read its frames."
        ) from error


def grey(stored: Stored, facts: PixelFacts, window: Window | None = None) -> Picture:
    """Give 8 bits of grey for stored values, black and white as their photometric interpretation says."""
    low, high = int(stored.min()), int(stored.max())
    if stored.dtype.kind not in "iu" or high - low >= TABLE_LIMIT:
        return _grey(stored, facts, window)
    # Each value that occurs is worked out once; the picture is then looked up.
    present = window or (facts.windows[0] if facts.windows else _full(low, high, facts))
    table = _grey(np.arange(low, high + 1), facts, present)
    picture = np.empty(stored.shape, np.uint8)
    is_short = stored.itemsize <= 2
    if is_short:  # by the word as it lies, without working out places: three times as quick
        every = np.zeros(1 << 8 * stored.itemsize, np.uint8)
        every[np.arange(low, high + 1) & every.size - 1] = table
        table = every
    words = stored.view(stored.dtype.str.replace("i", "u") if is_short else stored.dtype)
    for row in range(0, len(stored), STRIP):  # in strips: what is in between is eight times as large
        strip = words[row : row + STRIP]
        places = strip if is_short else np.subtract(strip, low, dtype=np.intp)
        np.take(table, places, out=picture[row : row + STRIP], mode="clip")
    return picture


def _grey(stored: Stored, facts: PixelFacts, window: Window | None) -> Picture:
    values = rescale(stored, slope=facts.slope, intercept=facts.intercept)
    chosen = window or (facts.windows[0] if facts.windows else window_of(values))
    picture = to_grey(values, chosen)
    return invert(picture) if facts.photometric == "MONOCHROME1" else picture


def _full(low: int, high: int, facts: PixelFacts) -> Window:
    return window_of(rescale(np.array([low, high]), slope=facts.slope, intercept=facts.intercept))


def _is_colour(facts: PixelFacts) -> bool:
    return facts.samples == 3 or facts.palette is not None


def _stored_values(facts: PixelFacts, frame: bytes, transfer_syntax: str) -> Values:
    if not is_encapsulated(transfer_syntax):
        return Values(stored=native_frame(facts, frame), is_rgb=False)
    values = decode_frame(
        frame,
        transfer_syntax,
        rows=facts.rows,
        columns=facts.columns,
        samples=facts.samples,
        bits_allocated=facts.bits_allocated,
        photometric=facts.photometric,
    )
    if facts.samples == 1:
        kept = stored_bits(values.astype(f"<u{facts.bits_allocated // 8}", copy=False), facts)
        return Values(stored=kept, is_rgb=False)
    # JPEG carries its own colour transform, JPEG 2000 may; the others give what was put in.
    is_rgb = transfer_syntax in GIVES_RGB or facts.photometric in ("YBR_ICT", "YBR_RCT")
    return Values(stored=values, is_rgb=is_rgb)


def _coloured(stored: Stored, facts: PixelFacts, *, decoded: bool) -> Picture:
    if facts.palette is not None:
        return _looked_up(stored, facts.palette)
    shift = max(facts.bits_stored - 8, 0)
    picture = np.right_shift(stored, shift).astype(np.uint8)
    if facts.photometric.startswith("YBR") and not decoded:
        from PIL import Image

        return np.asarray(Image.fromarray(picture, "YCbCr").convert("RGB"))
    return picture


def _looked_up(stored: Stored, palette: Palette) -> Picture:
    place = stored.astype(np.int64) - palette.first
    return np.stack(
        [table[np.clip(place, 0, table.size - 1)] for table in palette.tables],
        axis=-1,
    )


def encode(picture: Picture, media: str, quality: int = 90) -> bytes:
    """Write a picture as a file."""
    from PIL import Image

    image, file = Image.fromarray(picture), io.BytesIO()
    match media:
        case "image/png":
            image.save(file, "PNG", compress_level=1)
        case "image/jpeg":
            image.save(file, "JPEG", quality=quality)
        case _:
            raise InvalidRequest(f"Making a picture as {media} was refused: ask for {JPEG} or {PNG}.")
    return file.getvalue()
