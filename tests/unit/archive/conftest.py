"""A node whose packages go to two stores, with a study of six slices that is complete; and its clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.node import Node
from tests.kit.archived_study import hold_study
from tests.kit.bare_node import open_archive
from tests.kit.clock import FrozenClock


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    with open_archive(tmp_path, clock) as node:
        hold_study(node)
        yield node
