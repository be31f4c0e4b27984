"""A node that is backed up, and its clock: for every file of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.node import Node
from tests.kit.backing import Backed
from tests.kit.clock import FrozenClock


@pytest.fixture
def backed(tmp_path: Path) -> Backed:
    return Backed.begin(tmp_path)


@pytest.fixture
def node(backed: Backed, clock: FrozenClock) -> Iterator[Node]:
    node = backed.open(clock=clock)
    yield node
    node.close()
