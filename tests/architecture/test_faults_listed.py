"""The page of tests names every failpoint and planted fault of the product, and only tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("node", "federation", "actors", "web", "ops")
PAGE = (ROOT / "tests" / "README.md").read_text()


def gaps(page: str) -> list[str]:
    """Give what the page should name and does not, and the tests it names that are not there."""
    sources = [path.read_text() for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")]
    wanted = {
        name for source in sources for name in re.findall(r'\b(?:failpoint|planted)\("([a-z-]+)"\)', source)
    }
    missing = [name for name in sorted(wanted) if f"`{name}`" not in page]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    gone = [f"{path}::{name}" for path, name in named if not _is_there(ROOT / path, name)]
    unlisted = [
        f"{path.name}::{name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*def (test_\w*planted\w*)\(", path.read_text(), re.MULTILINE)
        if f"::{name}`" not in page
    ]
    return [*missing, *gone, *unlisted]


def _is_there(path: Path, name: str) -> bool:
    return path.exists() and re.search(rf"^\s*def {name}\(", path.read_text(), re.MULTILINE) is not None


def test_every_fault_is_listed_with_the_test_that_catches_it() -> None:
    assert gaps(PAGE) == []


def test_a_planted_gap_in_the_page_is_caught() -> None:
    for line in ("`no-seal-sync`", "`registered`", "test_a_planted_hole_is_caught"):
        assert gaps(PAGE.replace(line, "")) != []
    assert gaps(f"{PAGE}`tests/unit/test_nothing.py::test_nothing`") != []
