"""The viewer tells the truth: grey levels, lengths and letters as they stand on the screen. 40 s."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.kit.browser import Office
from tests.kit.rendering import Grey, Slice, agreement, read_slice, windowed
from tests.kit.running import RunningAlliance, storescu
from tests.kit.viewing import Viewing
from tests.kit.walk import complete_study

pytestmark = pytest.mark.peer

ENOUGH = 0.999
MIDDLE = 50
NEAR_MM = 0.1
LUNG = (-600.0, 1500.0)
MEDIASTINUM = (40.0, 400.0)
BONE = (400.0, 1800.0)
NARROW = (35.0, 81.0)
IN_HALF = (-150.5, 700.0)
LOOKS = [(1, LUNG), (1, MEDIASTINUM), (33, NARROW), (50, LUNG), (50, MEDIASTINUM), (50, IN_HALF), (98, BONE)]


@pytest.fixture(scope="module")
def study(alliance: RunningAlliance, chest_ct: list[Path]) -> str:
    """The address of the real chest CT at the clinic, complete."""
    storescu(alliance.nodes["alpha"], chest_ct)
    found = complete_study(alliance.visitor("alpha", "technician"), instances=len(chest_ct))
    return f"/view/{found['origin']}/{found['studyUid']}"


@pytest.fixture(scope="module")
def slices(chest_ct: list[Path]) -> dict[int, Slice]:
    return {each.number: each for each in map(read_slice, chest_ct)}


@pytest.fixture(scope="module")
def opened(office: Office, study: str) -> Viewing:
    """The study open in front of the clinic's technician."""
    page = office.sit("alpha", "technician")
    page.goto(study)
    viewing = Viewing(page)
    viewing.open()
    return viewing


@pytest.fixture
def viewing(opened: Viewing) -> Viewing:
    """A slice of the middle at 1:1, not turned, nothing measured, the window tool in hand."""
    opened.page.keyboard.press("f")
    opened.page.keyboard.press("Delete")
    opened.page.keyboard.press("w")
    opened.one_to_one()
    opened.go(MIDDLE)
    return opened


def grey(each: Slice, look: tuple[float, float], *, slope: float | None = None) -> Grey:
    return windowed(each.values(slope=slope), center=look[0], width=look[1])


def test_screen_shows_every_slice_and_window_as_the_standard_says(viewing, slices):
    for number, look in LOOKS:
        viewing.go(number)
        viewing.set_window(*look)
        shown = viewing.shown()
        assert agreement(shown, grey(slices[number], look)) >= ENOUGH, f"slice {number}, window {look}"


def test_comparison_catches_a_wrong_slope_a_mirrored_image_and_the_next_slice(viewing, slices):
    """Planted: each must be seen by the same comparison that the pictures pass."""
    viewing.set_window(*MEDIASTINUM)
    shown = viewing.shown()
    right = grey(slices[MIDDLE], MEDIASTINUM)
    planted = {
        "slope 1 % off": grey(slices[MIDDLE], MEDIASTINUM, slope=slices[MIDDLE].slope * 1.01),
        "mirrored": np.fliplr(right),
        "upside down": np.flipud(right),
        "one pixel aside": np.roll(right, 1, axis=1),
        "window 4 HU aside": grey(slices[MIDDLE], (MEDIASTINUM[0] + 4, MEDIASTINUM[1])),
        "the next slice": grey(slices[MIDDLE + 1], MEDIASTINUM),
    }
    assert agreement(shown, right) >= ENOUGH
    caught = {fault: agreement(shown, wrong) < ENOUGH for fault, wrong in planted.items()}
    assert all(caught.values()), caught


def test_flipped_image_is_flipped_with_its_letters(viewing, slices):
    viewing.set_window(*LUNG)
    assert viewing.markers() == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    viewing.page.get_by_test_id("tool-flip").click()
    assert agreement(viewing.shown(), np.fliplr(grey(slices[MIDDLE], LUNG))) >= ENOUGH
    assert viewing.markers() == {"left": "L", "right": "R", "top": "A", "bottom": "P"}


def test_length_between_two_clicks_is_the_true_distance(viewing, slices):
    viewing.page.keyboard.press("l")
    for start, end in [((100, 130), (140, 160)), ((80, 300), (430, 180)), ((256, 20), (256, 490))]:
        viewing.click(start)
        viewing.click(end)
        (shown,) = viewing.lengths_mm()
        assert abs(shown - slices[MIDDLE].distance_mm(start, end)) <= NEAR_MM
        viewing.page.keyboard.press("Delete")
    assert viewing.lengths_mm() == []


def test_length_ends_with_its_click_whatever_is_pressed_next(viewing, slices):
    start, end = (150, 150), (300, 260)
    length = slices[MIDDLE].distance_mm(start, end)
    for then in (lambda: viewing.page.get_by_test_id("tool-pan").click(), lambda: viewing.click((90, 400))):
        viewing.page.keyboard.press("l")
        viewing.click(start)
        viewing.click(end)
        then()
        viewing.move((400, 420))
        assert [abs(each - length) <= NEAR_MM for each in viewing.lengths_mm()].count(True) == 1
        viewing.page.keyboard.press("Delete")
        viewing.move((420, 400))
        assert viewing.lengths_mm() == [], "what was being drawn is gone too"


def test_presses_that_a_busy_page_hears_late_all_count(viewing, slices):
    """A page that was busy is handed what was pressed meanwhile in one go, before any of its timers."""
    fixed, first, last = (100, 120), (220, 160), (400, 380)
    viewing.page.keyboard.press("l")
    viewing.presses_in_one_go([(fixed, fixed), (first, first), (first, last)])
    (shown,) = viewing.lengths_mm()
    assert abs(shown - slices[MIDDLE].distance_mm(fixed, last)) <= NEAR_MM


def test_hand_that_trembles_while_it_clicks_still_sets_both_ends(viewing, slices):
    start, end = (100, 130), (300, 160)
    viewing.page.keyboard.press("l")
    for x, y in (start, end):
        viewing.press((x, y))
        viewing.move((x + 2, y - 1))
        viewing.page.mouse.up()
    (shown,) = viewing.lengths_mm()
    assert abs(shown - slices[MIDDLE].distance_mm(start, end)) <= NEAR_MM


def test_label_is_true_at_each_moment_of_a_drag_and_after_it(viewing, slices):
    """A label drawn one step late would keep the length of the step before: each step differs from the last."""
    start = (120, 140)
    steps = [(150, 150), (190, 190), (260, 230), (330, 330), (395, 401), (391, 396)]
    lengths = [slices[MIDDLE].distance_mm(start, each) for each in steps]
    assert min(abs(a - b) for a, b in pairwise(lengths)) > 4 * NEAR_MM
    assert max(lengths) > 100
    viewing.page.keyboard.press("l")
    viewing.press(start)
    for step, length in zip(steps, lengths, strict=True):
        viewing.move(step)
        (shown,) = viewing.lengths_mm()
        assert abs(shown - length) <= NEAR_MM, f"while dragging at {step}"
    viewing.page.mouse.up()
    (shown,) = viewing.lengths_mm()
    assert abs(shown - lengths[-1]) <= NEAR_MM, "after the drag"


def test_label_follows_an_end_that_is_taken_again(viewing, slices):
    fixed, ends = (100, 120), [(220, 160), (260, 200), (400, 380)]
    viewing.page.keyboard.press("l")
    viewing.click(fixed)
    viewing.click(ends[0])
    for before, end in pairwise(ends):
        viewing.press(before)
        viewing.move(((before[0] + end[0]) // 2, (before[1] + end[1]) // 2))
        viewing.move(end)
        (dragging,) = viewing.lengths_mm()
        viewing.page.mouse.up()
        (after,) = viewing.lengths_mm()
        true = slices[MIDDLE].distance_mm(fixed, end)
        assert (abs(dragging - true) <= NEAR_MM, abs(after - true) <= NEAR_MM) == (True, True), (
            dragging,
            after,
            true,
        )


def test_length_stays_true_when_zoomed_to_fill_the_screen(viewing, slices):
    """Places are then between pixels: the whole height of the canvas is the whole height of the image."""
    viewing.page.keyboard.press("f")
    box = viewing.box()
    assert box["height"] < box["width"]
    viewing.page.keyboard.press("l")
    middle = box["x"] + box["width"] / 2
    for y in (box["y"] + 60, box["y"] + box["height"] - 61):
        viewing.page.mouse.click(middle, y)
    (shown,) = viewing.lengths_mm()
    rows = (box["height"] - 121) * viewing.size / box["height"]
    assert abs(shown - rows * slices[MIDDLE].row_mm) <= NEAR_MM
