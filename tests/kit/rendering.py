"""What a slice must look like on screen, worked out from its file by the standard's formulas alone.

Nothing of the product is used: pydicom reads the file, numpy does the sums. Values stay
unrounded, so that a comparison says how far a screen is off, not how it rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

Grey = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One native grey slice as its file has it."""

    number: int
    stored: NDArray[np.int64]
    slope: float
    intercept: float
    row_mm: float
    """Between rows, down a column."""
    column_mm: float

    def values(self, *, slope: float | None = None) -> Grey:
        """Give the modality's values; another slope is for planting an error.

        Source: DICOM PS3.3 C.11.1.1.2.
        """
        return self.stored * (self.slope if slope is None else slope) + self.intercept

    def distance_mm(self, start: tuple[float, float], end: tuple[float, float]) -> float:
        """Give the distance of two places (column, row).

        Source: DICOM PS3.3 10.7.1.3 (Pixel Spacing names the row spacing first).
        """
        across = (end[0] - start[0]) * self.column_mm
        down = (end[1] - start[1]) * self.row_mm
        return float(np.hypot(across, down))


def read_slice(path: Path) -> Slice:
    """Read a file whose pixel data are native, little endian and of 16 bits.

    Source: DICOM PS3.5 8.1.1 (bits above the stored ones are no part of the value).
    """
    header = pydicom.dcmread(path)
    words = np.frombuffer(header.PixelData, dtype="<u2").astype(np.int64)
    stored = words & ((1 << header.BitsStored) - 1)
    if header.PixelRepresentation == 1:
        stored -= (stored >> (header.BitsStored - 1)) << header.BitsStored
    row_mm, column_mm = header.PixelSpacing
    return Slice(
        number=int(header.InstanceNumber),
        stored=stored.reshape(header.Rows, header.Columns),
        slope=float(header.RescaleSlope),
        intercept=float(header.RescaleIntercept),
        row_mm=float(row_mm),
        column_mm=float(column_mm),
    )


def windowed(values: Grey, *, center: float, width: float) -> Grey:
    """Map values to grey from 0 to 255 by the linear function.

    Source: DICOM PS3.3 C.11.2.1.2.1.
    """
    ramp = ((values - (center - 0.5)) / (width - 1) + 0.5) * 255.0
    black = values <= center - 0.5 - (width - 1) / 2
    white = values > center - 0.5 + (width - 1) / 2
    return np.where(black, 0.0, np.where(white, 255.0, ramp))


def agreement(shown: NDArray[np.uint8], expected: Grey, *, within: float = 1.0) -> float:
    """Give the share of pixels that differ by no more than some grey levels."""
    assert shown.shape == expected.shape, (shown.shape, expected.shape)
    return float(np.mean(np.abs(shown.astype(np.float64) - expected) <= within))
