"""OHIF, unmodified, reads a node: its list finds a study, its viewer shows the pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from node.dicom.part10 import read_part10
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold
from tests.kit.ohif import ohif_pages
from tests.kit.site import Site, open_site

OPENED_MS = 60_000
SLICES = 12


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, chest_ct: list[Path]) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("ohif")
    node = bare_node(folder, "alpha", FrozenClock())
    files = [read_part10(path.read_bytes()) for path in chest_ct[40 : 40 + SLICES]]
    hold(node, [bytes(file.data_set) for file in files])
    with open_site(node, pages=ohif_pages(folder)) as opened:
        yield opened


@pytest.fixture
def page(site: Site, browser: Browser) -> Iterator[Page]:
    """A window whose requests carry a reader's token, as a proxy before OHIF would add it."""
    bearer = site.program().bearer
    context = browser.new_context(
        base_url=site.web,
        viewport={"width": 1280, "height": 800},
        bypass_csp=True,  # its page stands on scripts in line
        extra_http_headers={"Authorization": f"Bearer {bearer}"},
    )
    context.set_default_timeout(OPENED_MS)
    yield context.new_page()
    context.close()


def refused(page: Page) -> list[str]:
    """Listen for answers below DICOMweb that are no success."""
    found: list[str] = []
    page.on(
        "response",
        lambda answer: (
            found.append(f"{answer.status} {answer.url}")
            if "/dicomweb" in answer.url and not answer.ok
            else None
        ),
    )
    return found


def test_its_list_finds_the_study(site: Site, page: Page) -> None:
    wrong = refused(page)
    page.goto("/")
    (study,) = site.program().get("/dicomweb/studies")
    page.get_by_text(study["00100020"]["Value"][0]).first.wait_for()
    assert wrong == []


def test_its_viewer_shows_the_pixels(site: Site, page: Page) -> None:
    wrong = refused(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    (study,) = site.program().get("/dicomweb/studies")
    page.goto(f"/viewer?StudyInstanceUIDs={study['0020000D']['Value'][0]}")
    page.locator("canvas").first.wait_for()
    page.wait_for_function("document.querySelector('canvas') !== null")
    shown = _shown(page)
    assert wrong == []
    assert any("/metadata" in url for url in asked)
    assert any("/frames/1" in url for url in asked)
    # A chest between black air and white bone: nothing else on that page has so many greys.
    assert len(np.unique(shown)) > 100
    assert 20 < shown.mean() < 200


def _shown(page: Page) -> np.ndarray:
    """Give the greys of the first viewport once they have come."""
    canvas = page.locator("canvas").first
    tour = page.get_by_text("Skip all")
    for _ in range(60):
        if tour.count():
            tour.first.click()  # its tour of the page darkens all that lies below
        picture = np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("L"))
        if len(np.unique(picture)) > 100:
            return picture
        page.wait_for_timeout(500)
    return picture
