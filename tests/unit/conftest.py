"""A frozen clock, and a node with nothing in it; a folder whose tests need more of a node says so itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    node = bare_node(tmp_path, "alpha", clock)
    yield node
    node.close()
