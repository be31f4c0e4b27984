"""One node for each test, with cheap passwords."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.node import Node
from tests.kit.alliance_keys import CHEAP
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr("node.keys.passwords.COST", CHEAP)
    opened = bare_node(tmp_path, "alpha", clock)
    yield opened
    opened.bell.close()
    opened.database.close()  # type: ignore[attr-defined]  # an adapter, not the port
