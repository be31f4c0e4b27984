"""Within the archive: what carries out lies above what decides, that above the stores, and those above the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.test_layers import ROOT, imported, sources

FLOORS = (
    {"package"},
    {"stores", "archived", "shown"},
    {"opened"},
    {"copies", "tier"},
    {"reading", "orphans"},
    {"expiring"},
    {"superseding", "lifecycle"},
    {"recall", "scrub", "deletion"},
    {"archiving", "deciding"},
    {"tidying", "relieving"},
)
"""Files and folders of ``node/archive``, from the ground up; those of one floor do not know each other."""
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def upward(room: str, modules: Iterator[str]) -> list[str]:
    strays = []
    for module in modules:
        match module.split("."):
            case ["node", "archive", other, *_] if other != room:
                if FLOOR[other] >= FLOOR[room]:
                    strays.append(module)
    return strays


@pytest.mark.parametrize(
    "path", [path for path in sources() if path.parts[:2] == ("node", "archive")], ids=str
)
def test_a_room_of_the_archive_knows_only_what_lies_below_it(path: Path) -> None:
    room = Path(path.parts[2]).stem
    if room != "__init__":
        assert upward(room, imported(ast.parse((ROOT / path).read_text()))) == []


def test_every_room_of_the_archive_has_a_floor() -> None:
    rooms = {Path(path.parts[2]).stem for path in sources() if path.parts[:2] == ("node", "archive")}
    assert rooms - {"__init__"} == set(FLOOR)


def test_a_planted_way_up_is_caught() -> None:
    tree = ast.parse("from node.archive.deletion.going import what_goes")
    assert upward("lifecycle", imported(tree)) == ["node.archive.deletion.going"]
    assert upward("recall", imported(tree)) == ["node.archive.deletion.going"]
    assert upward("deciding", imported(tree)) == []
