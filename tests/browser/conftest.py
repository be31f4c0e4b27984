"""One Chromium, the real study, and for each file an alliance and windows of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.contact_sheet import SHOTS, lay_out
from tests.kit.bare_node import open_archive
from tests.kit.browser import Office, Sit, chromium, sitting
from tests.kit.clock import FrozenClock
from tests.kit.running import RunningAlliance, running_alliance
from tests.kit.site import Site, open_site

CHEST_CT = Path(__file__).parents[3] / "shared" / "data" / "dicom" / "o01-chest-ct-lungfcp-0001"
SLICES = 98


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin with no shots of another day; several processes may share the folder, so only the first of them clears it."""
    if not hasattr(session.config, "workerinput"):
        shutil.rmtree(SHOTS, ignore_errors=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Lay all shots side by side, when no process writes another."""
    if not hasattr(session.config, "workerinput") and SHOTS.exists():
        lay_out(SHOTS)


@pytest.fixture(scope="session", autouse=True)
def shots() -> Path:
    """Give the folder where tests leave pictures for people."""
    SHOTS.mkdir(exist_ok=True)
    return SHOTS


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


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def bare(tmp_path: Path, clock: FrozenClock) -> Iterator[Site]:
    """Give a node of the first day: nothing has come, nobody has asked."""
    with open_archive(tmp_path, clock) as node, open_site(node) as opened:
        yield opened


@pytest.fixture(params=["zh", "en"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sit(browser: Browser, bare: Site, language: str) -> Iterator[Sit]:
    """Give windows of people with some role, signed in."""
    with sitting(browser, bare, language) as seats:
        yield seats
