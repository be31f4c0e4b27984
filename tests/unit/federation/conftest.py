"""A clinic and a centre that tell each other notes, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.clock import FrozenClock
from tests.kit.correspondence import Correspondence


@pytest.fixture
def post(tmp_path: Path, clock: FrozenClock) -> Iterator[Correspondence]:
    correspondence = Correspondence.begin(tmp_path, clock)
    yield correspondence
    correspondence.close()
