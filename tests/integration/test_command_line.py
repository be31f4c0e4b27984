"""The ``meridian`` command as an administrator types it: two nodes made, an alliance founded, one joins."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

from typer.testing import CliRunner

from federation.identity import open_root
from federation.roster import Roster
from node.errors import FieldMissing
from node.people.sessions import resolve_bearer
from ops.cli import app
from ops.compose import compose_node
from ops.free_ports import free_ports
from ops.grid import Grid

PASSPHRASE = "a long enough passphrase"
run = CliRunner()


def meridian(*words: object, typed: str = "") -> str:
    outcome = run.invoke(app, [str(word) for word in words], input=typed, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def make_node(state: Path, *, listens: bool) -> None:
    dicom, web, alliance = free_ports(3)
    port = alliance if listens else 0
    meridian(
        "init", state, "--id", state.name, "--name", state.name.title(), "--dicom-port", dicom,
        "--web-port", web, "--alliance-port", port,
    )  # fmt: skip


def test_configuration_is_written_once_and_explained(tmp_path: Path) -> None:
    make_node(tmp_path / "alpha", listens=False)
    assert "dials out only" in meridian("config", "check", tmp_path / "alpha")
    again = run.invoke(app, ["init", str(tmp_path / "alpha"), "--id", "alpha", "--name", "A"])
    assert again.exit_code != 0
    assert "exists" in str(again.exception)


def test_two_hospitals_found_invite_join_and_admit(tmp_path: Path) -> None:
    centre, alpha, root = tmp_path / "centre", tmp_path / "alpha", tmp_path / "root"
    make_node(centre, listens=True)
    make_node(alpha, listens=False)
    founded = meridian(
        "alliance", "found", centre, "--root", root, "--name", "Test alliance",
        typed=f"{PASSPHRASE}\n{PASSPHRASE}\n",
    )  # fmt: skip
    assert "Founded" in founded
    assert open_root(root, PASSPHRASE).public

    host = compose_node(centre, process="grid")
    grid = Grid(host, threading.Event())
    grid.start()
    try:
        code = meridian("alliance", "invite", centre, "alpha").splitlines()[0]
        newcomer = subprocess.Popen(
            [sys.executable, "-m", "ops.cli", "alliance", "join", str(alpha), code],
            stdout=subprocess.PIPE,
            text=True,
        )
        deadline = threading.Event()
        for _ in range(100):
            if "alpha" in (asked := _pending(host)):
                break
            deadline.wait(0.2)
        admitted = meridian("alliance", "admit", centre, "--root", root, typed=f"y\n{PASSPHRASE}\n")
        joined, _ = newcomer.communicate(timeout=60)
    finally:
        grid.stop()
        host.close()
    assert "alpha" in asked
    assert "alpha is in." in admitted
    digits = re.compile(r"(\d{5} ){5}\d{5}")
    shown_there = digits.search(joined)
    shown_here = digits.search(admitted)
    assert shown_there is not None
    assert shown_here is not None
    assert shown_there.group() == shown_here.group()
    for state in (centre, alpha):
        node = compose_node(state)
        assert [entry.node for entry in Roster.load(node.database).members()] == ["alpha", "centre"]
        node.close()
    assert "dials out" in meridian("alliance", "roster", alpha)


def _pending(host: object) -> str:
    from federation.joining import pending

    return " ".join(one.request.node for one in pending(host))  # type: ignore[arg-type]  # a Node


def test_a_program_gets_a_token_until_it_is_revoked(tmp_path: Path) -> None:
    make_node(tmp_path / "alpha", listens=False)
    token = meridian("token", "issue", tmp_path / "alpha", "sender/his").strip()
    node = compose_node(tmp_path / "alpha")
    assert resolve_bearer(node, token) == "sender/his"
    meridian("token", "revoke", tmp_path / "alpha", "sender/his")
    assert resolve_bearer(node, token) is None
    outcome = run.invoke(app, ["token", "issue", str(tmp_path / "alpha"), "root"])
    assert isinstance(outcome.exception, FieldMissing)
