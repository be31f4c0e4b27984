"""One Chromium, the real study, and for each file an alliance and windows of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.kit.browser import Office, chromium
from tests.kit.running import RunningAlliance, running_alliance

CHEST_CT = Path(__file__).parents[3] / "shared" / "data" / "dicom" / "o01-chest-ct-lungfcp-0001"
SLICES = 98


@pytest.fixture(scope="session")
def chest_ct() -> list[Path]:
    """The real chest CT, slice by slice."""
    files = sorted(CHEST_CT.glob("*.dcm"))
    assert len(files) == SLICES, f"the open chest CT belongs in {CHEST_CT}"
    return files


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAlliance]:
    """A clinic and a centre that nobody has used yet."""
    with running_alliance(tmp_path_factory.mktemp("alliance")) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def office(browser: Browser, alliance: RunningAlliance) -> Iterator[Office]:
    """People's windows; a script that failed or met its page's content policy fails the file."""
    office = Office(browser, alliance)
    yield office
    office.close()
    assert office.complaints == []
