"""From stored values to 8 bits of grey: modality rescale, then the window a person chose.

Pure. Decides what a pixel looks like; where the numbers come from and what
becomes of the picture is `node.imaging.render`'s matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from node.errors import InvalidRequest

Values = npt.NDArray[np.float64]
Grey = npt.NDArray[np.uint8]


class Shape(Enum):
    """How a window maps values to grey.

    Source: DICOM PS3.3 C.11.2.1.2.1 and C.11.2.1.3.
    """

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window in the units of the rescaled values (HU for CT)."""

    center: float
    width: float
    shape: Shape = Shape.LINEAR


def rescale(stored: npt.NDArray[np.generic], *, slope: float = 1.0, intercept: float = 0.0) -> Values:
    """Turn stored values into the modality's own.

    Source: DICOM PS3.3 C.11.1.1.2.
    """
    return stored.astype(np.float64) * slope + intercept


def to_grey(values: Values, window: Window) -> Grey:
    """Map values to 0-255 under a window.

    Raises
    ------
    InvalidRequest
        The width is below what the window's shape allows.

    Source: DICOM PS3.3 C.11.2.1.2.1 (linear), C.11.2.1.3.1 (sigmoid), C.11.2.1.3.2 (linear exact).
    """
    center, width = window.center, window.width
    if not (width >= 1 if window.shape is Shape.LINEAR else width > 0):
        raise InvalidRequest(
            f"Windowing was refused: width {width:g} is too small. Use 1 or more for a linear window."
        )
    match window.shape:
        case Shape.SIGMOID:
            # Far from the centre the exponential would overflow; 60 is black or white long before.
            exponent = np.clip(-4.0 * (values - center) / width, -60.0, 60.0)
            share = 1.0 / (1.0 + np.exp(exponent))
        case Shape.LINEAR_EXACT:
            share = (values - center) / width + 0.5
        case Shape.LINEAR:
            if width == 1:  # a step: the standard's formula would divide by nothing
                share = (values > center - 0.5).astype(np.float64)
            else:
                share = (values - (center - 0.5)) / (width - 1.0) + 0.5
    return np.rint(np.clip(share, 0.0, 1.0) * 255.0).astype(np.uint8)


def window_of(values: Values) -> Window:
    """Choose the window that shows every value, for an object that brings none."""
    low, high = float(values.min()), float(values.max())
    return Window(center=(low + high + 1.0) / 2.0, width=max(high - low + 1.0, 1.0))


def invert(grey: Grey) -> Grey:
    """Swap black and white, for MONOCHROME1.

    Source: DICOM PS3.3 C.7.6.3.1.2.
    """
    return 255 - grey
