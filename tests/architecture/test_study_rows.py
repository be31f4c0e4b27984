"""A study's words and counts are written in one place, so that what it is found by follows them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("node", "federation", "actors", "web", "ops")
HOME = "node/catalogue/written.py"
FREE = {"state", "completed_at", "expected", "conflict", "corrections_until"}
"""Columns from which nothing follows."""
_ASKED_ANEW = re.compile(r"\bderived = 0\b")
"""A migration may ask for what follows to be derived once more."""
_INSERT = re.compile(r"\bINTO study\b")
_UPDATE = re.compile(r"\bUPDATE study SET\b(.*?)(?:\bWHERE\b|$)", re.DOTALL)
_DELETE = re.compile(r"\bDELETE FROM study\b")


def elsewhere(source: str) -> list[str]:
    """Give the writes of a source that only the home may make."""
    found = [match[0] for match in (*_INSERT.finditer(source), *_DELETE.finditer(source))]
    for match in _UPDATE.finditer(source):
        if set(re.findall(r"\b(\w+) =", _ASKED_ANEW.sub("", match[1]))) - FREE:
            found.append(match[0].split("\n")[0])
    return found


def test_nobody_else_writes_a_study_s_words() -> None:
    sources = {
        path.relative_to(ROOT).as_posix(): path for one in PRODUCT for path in (ROOT / one).rglob("*.py")
    }
    written = {name: elsewhere(path.read_text()) for name, path in sources.items() if name != HOME}
    assert {name: found for name, found in written.items() if found} == {}


def test_a_planted_write_elsewhere_is_caught() -> None:
    assert elsewhere('"UPDATE study SET patient_name = ? WHERE origin = ?"') != []
    assert elsewhere("f\"INSERT INTO study ({', '.join(columns)}) VALUES\"") != []
    assert elsewhere('"DELETE FROM study WHERE origin = ?"') != []
    assert elsewhere("\"UPDATE study SET state = 'complete', completed_at = ? WHERE origin = ?\"") == []
    assert elsewhere('"UPDATE study SET derived = 1 WHERE origin = ?"') != []
    assert elsewhere('"UPDATE study SET derived = 0 WHERE origin = ?"') == []
    assert elsewhere('"DELETE FROM study_identity WHERE origin = ?"') == []
