"""The conformance statement says what the code does."""

from __future__ import annotations

from ops.conformance import ROOT, statement


def test_the_committed_statement_is_the_codes() -> None:
    assert (ROOT / "CONFORMANCE.md").read_text("utf-8") == statement(), "run: python -m ops.conformance"
