"""What an object says about its pixels, and one native frame as an array of stored values.

Leaves compressed frames to `node.imaging.decode` and their look to
`node.imaging.render`.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from node.dicom.header import Header
from node.errors import InvalidRequest
from node.imaging.window import Shape, Window

FRAME_LIMIT_BYTES = 160 << 20
"""Of one frame that a server makes a picture of: 80 million pixels of 16 bits, 53 million of colour."""

Stored = npt.NDArray[np.generic]


class NoPicture(InvalidRequest):
    """No picture can be made of an instance or a frame; it can be read as it is.

    Source: RFC 9110 15.5.7 (406).
    """

    http = 406


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Three lookup tables of 8 bits and the stored value that their first entry is for.

    Source: DICOM PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6.
    """

    first: int
    tables: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFacts:
    """How to read and show the pixels of an instance.

    Source: DICOM PS3.3 C.7.6.3 (Image Pixel), C.11.1 (Modality LUT), C.11.2 (VOI LUT).
    """

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    planar: bool
    photometric: str
    slope: float = 1.0
    intercept: float = 0.0
    windows: tuple[Window, ...] = ()
    palette: Palette | None = field(default=None, compare=False)

    @property
    def frame_bits(self) -> int:
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        """Of a decoded frame, its samples all there."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8


def read_pixel_facts(header: Header) -> PixelFacts:
    """Read what the header says about the pixels.

    Raises
    ------
    NoPicture
        It describes no pixels, or none that a picture can be made of.
    """
    order = "<" if header.little else ">"
    facts = PixelFacts(
        rows=_short(header, 0x00280010, order),
        columns=_short(header, 0x00280011, order),
        samples=_short(header, 0x00280002, order, default=1),
        bits_allocated=_short(header, 0x00280100, order),
        bits_stored=_short(header, 0x00280101, order) or _short(header, 0x00280100, order),
        signed=_short(header, 0x00280103, order) == 1,
        planar=_short(header, 0x00280006, order) == 1,
        photometric=header.text(0x00280004) or "MONOCHROME2",
        slope=next(iter(_decimals(header, 0x00281053)), 1.0) or 1.0,
        intercept=next(iter(_decimals(header, 0x00281052)), 0.0),
        windows=_windows(header),
        palette=_palette(header, order),
    )
    if not facts.rows or not facts.columns or facts.bits_allocated not in (1, 8, 16, 32):
        raise NoPicture("Making a picture was refused: this instance holds none. Read it as it is.")
    if facts.samples not in (1, 3) or facts.frame_bytes > FRAME_LIMIT_BYTES:
        raise NoPicture("Making a picture was refused: its size is not supported. Read its frames.")
    return facts


def native_frame(facts: PixelFacts, frame: bytes) -> Stored:
    """Give a native frame, in little endian, as stored values: rows x columns, or rows x columns x 3.

    Source: DICOM PS3.5 8.1 and 8.2, PS3.3 C.7.6.3.1.3.
    """
    if len(frame) * 8 < facts.frame_bits:
        raise NoPicture("Making a picture was refused: the frame is cut short. Send the instance again.")
    shape = (facts.rows, facts.columns)
    if facts.bits_allocated == 1:
        bits: Stored = np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")
        return bits[: facts.rows * facts.columns].reshape(shape)
    dtype = np.dtype(f"<u{facts.bits_allocated // 8}")
    values = np.frombuffer(frame, dtype, count=facts.frame_bits // facts.bits_allocated)
    if facts.photometric == "YBR_FULL_422":
        return _upsampled(values, facts)
    if facts.samples == 3:
        colours: Stored = (
            values.reshape(3, *shape).transpose(1, 2, 0) if facts.planar else values.reshape(*shape, 3)
        )
        return colours
    return stored_bits(values.reshape(shape), facts)


def stored_bits(values: Stored, facts: PixelFacts) -> Stored:
    """Drop what lies above the stored bits (old objects keep overlays there), and apply the sign."""
    spare = facts.bits_allocated - facts.bits_stored
    width = facts.bits_allocated // 8
    values = values.astype(f"<u{width}", copy=False)
    if not 0 < spare < facts.bits_allocated:
        return values.view(f"<i{width}") if facts.signed else values
    shifted = np.left_shift(values, spare).astype(f"<u{width}")
    kept: Stored = np.right_shift(shifted.view(f"<i{width}") if facts.signed else shifted, spare)
    return kept


def _upsampled(values: Stored, facts: PixelFacts) -> Stored:
    """Give each pixel of a pair the pair's colour. Source: DICOM PS3.3 C.7.6.3.1.2."""
    if facts.columns % 2:
        raise NoPicture("Making a picture was refused: its colours come in pairs, its columns do not.")
    pairs = values.reshape(facts.rows, facts.columns // 2, 4)
    luma = pairs[:, :, :2].reshape(facts.rows, -1)
    blue, red = (np.repeat(pairs[:, :, place], 2, axis=1) for place in (2, 3))
    return np.stack((luma, blue, red), axis=-1)


def _short(header: Header, tag: int, order: str, *, default: int = 0) -> int:
    raw = header.value(tag)
    if raw is None or len(raw) < 2:
        return default
    return int(struct.unpack_from(f"{order}H", raw)[0])


def _decimals(header: Header, tag: int) -> list[float]:
    numbers = []
    for part in header.text(tag).split("\\"):
        try:
            number = float(part)
        except ValueError:
            return []
        if not math.isfinite(number):
            return []
        numbers.append(number)
    return numbers


def _windows(header: Header) -> tuple[Window, ...]:
    name = header.text(0x00281056).strip()
    shape = Shape(name) if name in Shape.__members__ else Shape.LINEAR
    least = 1.0 if shape is Shape.LINEAR else 1e-9
    pairs = zip(_decimals(header, 0x00281050), _decimals(header, 0x00281051), strict=False)
    return tuple(Window(center=center, width=width, shape=shape) for center, width in pairs if width >= least)


def _palette(header: Header, order: str) -> Palette | None:
    descriptor, tables = header.value(0x00281101), []
    if descriptor is None or len(descriptor) < 6:
        return None
    count, first, bits = struct.unpack_from(f"{order}HHH", descriptor)
    for tag in (0x00281201, 0x00281202, 0x00281203):
        raw = header.value(tag)
        if raw is None:
            return None
        wide = len(raw) >= 2 * (count or 65536)
        table = np.frombuffer(raw[: len(raw) // 2 * 2] if wide else raw, f"{order}u2" if wide else np.uint8)
        # Some writers put 8-bit entries into 16-bit words and still say 16.
        if not table.size:
            raise NoPicture("Making a picture was refused: its palette is empty. Read its frames.")
        shift = 8 if wide and bits == 16 and table.size and int(table.max()) > 255 else 0
        tables.append((table >> shift).astype(np.uint8))
    return Palette(first=first, tables=(tables[0], tables[1], tables[2]))
