"""Window and rescale against the standard's own formulas."""

from __future__ import annotations

import numpy as np
import pytest

from node.errors import InvalidRequest
from node.imaging.window import Shape, Window, invert, rescale, to_grey, window_of


def by_the_standard(x: float, center: float, width: float) -> float:
    """DICOM PS3.3 C.11.2.1.2.1, its pseudo code with y from 0 to 255."""
    if x <= center - 0.5 - (width - 1) / 2:
        return 0.0
    if x > center - 0.5 + (width - 1) / 2:
        return 255.0
    return ((x - (center - 0.5)) / (width - 1) + 0.5) * 255.0


@pytest.mark.parametrize(
    ("center", "width"), [(2048, 4096), (40, 400), (-600, 1500), (2048, 1), (0, 2), (0.5, 100.5)]
)
def test_linear_window_follows_the_pseudo_code(center: float, width: float) -> None:
    values = np.arange(-1500.0, 5000.0)
    expected = [by_the_standard(x, center, width) for x in values]
    shown = to_grey(values, Window(center=center, width=width))
    assert np.abs(shown - np.array(expected)).max() <= 0.5


def test_a_planted_slope_error_is_caught() -> None:
    stored = np.arange(0, 2048, dtype=np.uint16)
    window = Window(center=40, width=400)
    right = to_grey(rescale(stored, slope=1.0, intercept=-1024.0), window)
    wrong = to_grey(rescale(stored, slope=1.02, intercept=-1024.0), window)
    assert np.abs(right.astype(int) - wrong).max() > 1


def test_width_one_is_a_step_between_two_values() -> None:
    assert to_grey(np.array([39.0, 40.0]), Window(center=40, width=1)).tolist() == [0, 255]


def test_linear_exact_spans_the_whole_width() -> None:
    window = Window(center=128, width=256, shape=Shape.LINEAR_EXACT)
    assert to_grey(np.array([0.0, 64.0, 256.0]), window).tolist() == [0, 64, 255]


def test_sigmoid_is_half_grey_at_its_centre_and_never_overflows() -> None:
    window = Window(center=0, width=10, shape=Shape.SIGMOID)
    assert to_grey(np.array([-1e9, 0.0, 1e9]), window).tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("width", "shape"), [(0.5, Shape.LINEAR), (0.0, Shape.SIGMOID), (float("nan"), Shape.LINEAR)]
)
def test_a_width_that_shows_nothing_is_refused(width: float, shape: Shape) -> None:
    with pytest.raises(InvalidRequest, match="too small"):
        to_grey(np.zeros(1), Window(center=0, width=width, shape=shape))


def test_window_of_an_object_without_one_shows_every_value() -> None:
    values = np.array([-1000.0, 0.0, 3000.0])
    assert to_grey(values, window_of(values)).tolist() == [0, 64, 255]


def test_monochrome1_swaps_black_and_white() -> None:
    assert invert(np.array([0, 100, 255], np.uint8)).tolist() == [255, 155, 0]
