"""Faults of the product that a test switches on, in its own process."""

from __future__ import annotations

import pytest


def planted(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Plant a fault of `node.failpoints` until the test ends."""
    monkeypatch.setattr("node.failpoints._PLANTED", frozenset({fault}))
