"""The viewer by hand and by eye: the mouse at places of the image, the pixels and words on the screen."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import FloatRect, Page, expect

Place = tuple[int, int]
"""Column and row of an image, from 0."""

PRESSES = """(ways) => {
  const hand = (type, [x, y], buttons) =>
    document.elementFromPoint(x, y).dispatchEvent(
      new MouseEvent(type, { bubbles: true, cancelable: true, clientX: x, clientY: y, button: 0, buttons }))
  for (const [from, to] of ways) {
    hand('mousemove', from, 0)
    hand('mousedown', from, 1)
    hand('mousemove', to, 1)
    hand('mouseup', to, 0)
  }
}"""


@dataclass
class Viewing:
    """A page with the viewer on it; places are of an image of `size` pixels shown 1:1."""

    page: Page
    size: int = 512

    def open(self) -> None:
        """Wait until the first image is drawn."""
        expect(self.page.get_by_test_id("slice-index")).to_contain_text("/")

    def one_to_one(self) -> None:
        self.page.get_by_test_id("tool-one-to-one").click()
        expect(self.page.get_by_test_id("zoom-value")).to_have_text("100%")

    def go(self, number: int) -> None:
        """Go to a slice, counted from 1, by its slider."""
        self.page.get_by_test_id("slice-slider").fill(str(number))
        expect(self.page.get_by_test_id("slice-index")).to_have_text(re.compile(rf"^{number} / "))

    def set_window(self, center: float, width: float) -> None:
        """Type a window as a reader does."""
        for name, value in (("center", center), ("width", width)):
            field = self.page.get_by_test_id(f"window-{name}")
            field.fill(f"{value:g}")
            field.press("Enter")
        expect(self.page.get_by_test_id("window-values")).to_contain_text(f"{center:g}")
        expect(self.page.get_by_test_id("window-values")).to_contain_text(f"{width:g}")

    def box(self) -> FloatRect:
        """Give where the canvas lies on the page, which is on whole pixels."""
        box = self.page.get_by_test_id("viewer-canvas").bounding_box()
        assert box is not None
        assert all(float(part).is_integer() for part in (box["x"], box["y"], box["width"], box["height"])), (
            box
        )
        return box

    def corner(self) -> tuple[int, int]:
        """Give the place on the page of the image's first pixel: it is centred, edges on edges."""
        box = self.box()
        left = int(box["x"]) + int(box["width"]) // 2 - self.size // 2
        top = int(box["y"]) + int(box["height"]) // 2 - self.size // 2
        return left, top

    def shown(self) -> NDArray[np.uint8]:
        """Give the image area as it is on the screen, grey; colour anywhere fails."""
        left, top = self.corner()
        self.settle()
        area: FloatRect = {"x": left, "y": top, "width": self.size, "height": self.size}
        picture = Image.open(io.BytesIO(self.page.screenshot(clip=area)))
        colours = np.asarray(picture.convert("RGB"))
        assert (colours == colours[:, :, :1]).all(), "something coloured lies over the image"
        return np.ascontiguousarray(colours[:, :, 0])

    def settle(self) -> None:
        """Let the page draw twice."""
        self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def move(self, place: Place) -> None:
        left, top = self.corner()
        self.page.mouse.move(left + place[0], top + place[1])

    def press(self, place: Place) -> None:
        self.move(place)
        self.page.mouse.down()

    def click(self, place: Place) -> None:
        self.press(place)
        self.page.mouse.up()

    def presses_in_one_go(self, presses: list[tuple[Place, Place]]) -> None:
        """Press at each first place and let go at the second, within one task of the page."""
        left, top = self.corner()
        ways = [[[left + x, top + y] for x, y in press] for press in presses]
        self.page.evaluate(PRESSES, ways)

    def lengths_mm(self) -> list[float]:
        """Give the lengths that stand on the screen, read from their labels once."""
        self.settle()
        labels = self.page.locator("[data-testid=viewer-canvas] svg text")
        texts = [label.text_content() or "" for label in labels.all() if label.is_visible()]
        assert all(text.endswith(" mm") for text in texts), texts
        return [float(text.removesuffix(" mm")) for text in texts]

    def markers(self) -> dict[str, str]:
        """Give the letters at the four edges."""
        edges = ("left", "right", "top", "bottom")
        return {edge: self.page.get_by_test_id(f"marker-{edge}").inner_text() for edge in edges}
