"""A node with a past and a clock a day later: for the files of rebuilding."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from node.clock import MINUTE
from tests.kit.clock import NOON
from tests.kit.lost_index import TickingClock, begin, live, opened


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the state folder of a node with a past, to be copied."""
    clock = TickingClock()
    state = begin(tmp_path_factory.mktemp("past"))
    node = opened(state, clock)
    live(node, clock)
    node.close()
    return state


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock(NOON + 24 * 60 * MINUTE)


@pytest.fixture
def state(past: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(past, tmp_path / "alpha", symlinks=True))
