"""A clinic and a centre for each test, with cheap passwords."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.alliance_keys import CHEAP
from tests.kit.consult import Pair, open_pair


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    monkeypatch.setattr("node.keys.passwords.COST", CHEAP)
    monkeypatch.setattr("node.keys.locked.COST", CHEAP)
    with open_pair(tmp_path) as opened:
        yield opened
