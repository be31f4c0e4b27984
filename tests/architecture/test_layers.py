"""The house as a table: layers, one home per library, small files, cited sources."""

from __future__ import annotations

import ast
import statistics
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("node", "federation", "actors", "web", "ops")
LAYER = {"node": 0, "federation": 1, "actors": 2, "web": 2, "ops": 3}
ADAPTERS = {
    "sqlite.py", "rqlite.py", "grpcio.py", "loopback.py", "direct.py", "folder.py", "s3.py", "slow.py", "encrypted.py",
}  # fmt: skip
"""Files beside a port that implement it, named by their technology."""
TABLES = {Path("node/database/schema.py")}
HOMES: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["meridian"][
    "homes"
]
EVERYWHERE = {"msgspec", *PACKAGES, *sys.stdlib_module_names}


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "wire" not in path.parts and "node_modules" not in path.parts:
                yield path.relative_to(ROOT)


def imported(tree: ast.AST) -> Iterator[str]:
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.module


def upward(path: Path, modules: Iterator[str]) -> list[str]:
    mine = path.parts[0]
    return [
        module
        for module in modules
        if (theirs := module.split(".")[0]) in LAYER and theirs != mine and LAYER[theirs] >= LAYER[mine]
    ]


def homeless(path: Path, modules: Iterator[str]) -> list[str]:
    place = ".".join(path.with_suffix("").parts)
    strays = []
    for module in modules:
        library = module.split(".")[0]
        if library in EVERYWHERE and library not in HOMES:
            continue
        homes = HOMES.get(library, [])
        if not any(place == home or place.startswith(home + ".") for home in homes):
            strays.append(module)
    return strays


@pytest.mark.parametrize("path", list(sources()), ids=str)
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    assert upward(path, imported(ast.parse((ROOT / path).read_text()))) == []


@pytest.mark.parametrize("path", list(sources()), ids=str)
def test_a_library_is_imported_at_its_home_only(path: Path) -> None:
    assert homeless(path, imported(ast.parse((ROOT / path).read_text()))) == []


def test_a_planted_upward_import_is_caught() -> None:
    tree = ast.parse("from federation.outbox import send")
    assert upward(Path("node/catalogue/search.py"), imported(tree)) == ["federation.outbox"]
    assert upward(Path("web/app.py"), imported(ast.parse("import actors.base"))) == ["actors.base"]


def test_a_planted_second_home_is_caught() -> None:
    assert homeless(Path("node/store/packs.py"), imported(ast.parse("import sqlite3"))) == ["sqlite3"]
    assert homeless(Path("web/app.py"), imported(ast.parse("import unheard_of"))) == ["unheard_of"]


def test_files_stay_small() -> None:
    lengths = {
        path: len((ROOT / path).read_text().splitlines()) for path in sources() if path.name != "__init__.py"
    }
    assert statistics.median(lengths.values()) <= 180
    assert {path: n for path, n in lengths.items() if n > 450 and path not in TABLES} == {}


def test_package_files_hold_a_docstring_only() -> None:
    for path in sources():
        if path.name == "__init__.py":
            body = ast.parse((ROOT / path).read_text()).body
            assert len(body) == 1, path
            assert isinstance(body[0], ast.Expr), path


def test_no_room_is_called_by_an_empty_name() -> None:
    empty = {"common", "utils", "util", "core", "helpers", "manager", "misc", "service"}
    assert [path for path in sources() if path.stem in empty or empty & set(path.parts)] == []


def test_every_module_says_what_it_decides() -> None:
    assert [path for path in sources() if not ast.get_docstring(ast.parse((ROOT / path).read_text()))] == []


def test_pure_modules_know_no_time_and_no_chance() -> None:
    pure = [
        "node/dicom/header.py", "node/dicom/attributes.py", "node/dicom/charset.py", "node/dicom/normal.py",
        "node/reporting/report.py", "federation/consult/cases.py", "federation/policy.py", "node/imaging/window.py",
        "node/dicom/overlay.py", "node/dicom/recoding.py", "node/dicom/encoding.py", "node/catalogue/resolving.py",
        "node/catalogue/matching.py", "node/catalogue/patterns.py", "node/catalogue/moments.py",
        *(f"node/archive/lifecycle/{name}.py" for name in (
            "facts", "rules", "decisions", "decider", "pressure", "retention", "periods", "trial", "forecast",
        )),
        "node/archive/package/rule.py", "node/archive/package/splice.py", "node/archive/recall/turns.py",
        "node/archive/recall/ranges.py", "node/archive/scrub/pacing.py",
    ]  # fmt: skip
    for name in pure:
        modules = set(imported(ast.parse((ROOT / name).read_text())))
        assert not modules & {"time", "socket", "threading", "random", "secrets", "datetime"}, name


def test_every_adapter_runs_its_contract() -> None:
    contracts = "".join(path.read_text() for path in (ROOT / "tests" / "contract").glob("test_*.py"))
    for port in (path for path in sources() if path.name == "port.py"):
        for adapter in (ROOT / port).parent.glob("*.py"):
            if adapter.name not in ADAPTERS:
                continue
            module = ".".join(adapter.relative_to(ROOT).with_suffix("").parts)
            home = module.rpartition(".")[0]
            named = module in contracts or f"from {home} import {adapter.stem}" in contracts
            assert named, f"{module} runs no contract suite"
