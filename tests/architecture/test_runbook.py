"""The runbook names what a person meets: every kind of problem, every state of a link, and only commands that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import typer.main
from typer.core import TyperGroup

from federation import links
from federation.inbox import _KINDS
from node.watch.alarms import AlarmKind
from ops.cli import app

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "ops/RUNBOOK.md").read_text("utf-8")
SOURCES = [
    path for part in ("node", "federation", "actors", "web", "ops") for path in (ROOT / part).rglob("*.py")
]
PART_REASONS = ("damaged", "missing")


def kinds_in(source: str) -> Iterator[str]:
    """Give the kinds that a module's calls of `problem` and `problem_once` name."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name in ("problem", "problem_once"):
                for argument in call.args[:2]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield argument.value


def kinds() -> set[str]:
    named = {kind for path in SOURCES for kind in kinds_in(path.read_text("utf-8"))}
    named |= {f"envelope-{kind}" for kind in (*_KINDS.values(), "refused")}
    named |= {f"part-{reason}" for reason in PART_REASONS}
    named |= set(AlarmKind)
    return named | {"instance-refused", "device-refused", "tls-refused"}


def test_kinds_are_found_in_source() -> None:
    assert list(kinds_in("node.problem('a', about=b)\nproblem_once(node, 'c', about=d)")) == ["a", "c"]
    assert len(kinds()) > 20


def test_every_kind_of_problem_says_what_to_do() -> None:
    explained = set(
        re.findall(r"`([a-z-]+)`", "\n".join(re.findall(r"^\| (`.*?`) \|", RUNBOOK, re.MULTILINE)))
    )
    assert kinds() <= explained, sorted(kinds() - explained)


def test_every_kind_of_problem_has_a_name_on_the_page() -> None:
    catalogue = (ROOT / "web/client/src/catalogue.ts").read_text("utf-8")
    assert not {kind for kind in kinds() if f"'problem.{kind}'" not in catalogue}


def test_every_state_of_a_link_is_explained() -> None:
    for state in (links.CONNECTED, links.AWAY, links.DOWN, links.UNACKNOWLEDGED):
        assert f"| {state} |" in RUNBOOK


def test_commands_in_the_runbook_exist() -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    used = re.findall(r"(?:^    |`)meridian ([a-z]+)(?: ([a-z]+))?", RUNBOOK, re.MULTILINE)
    assert len(used) > 12
    for verb, word in used:
        found = command.commands[verb]
        if isinstance(found, TyperGroup) and word:
            assert word in found.commands
