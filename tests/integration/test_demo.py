"""The demo as whoever tries it out meets it: up with its study, alone in its folder, stopped by Ctrl-C, and on again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ops.free_ports import free_ports
from tests.kit.archived_study import slices
from tests.kit.http import Visitor
from tests.kit.instances import part10

ROOT = Path(__file__).parents[2]
WAIT_S = 90.0
STUDY = "2.25.60"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for n, data_set in enumerate(slices(3, study=STUDY), start=1):
        (folder / f"{n}.dcm").write_bytes(part10(data_set, sop_uid=f"{STUDY}.1.{n}"))
    return folder


def command(folder: Path, arguments: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ops.demo", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run it; gives what it wrote for programs, and ends it as Ctrl-C does."""
    process, written = command(folder, arguments), folder / ".demo/demo.json"
    try:
        deadline = time.monotonic() + WAIT_S
        while not written.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert written.exists(), process.communicate(timeout=30)
        yield {node["name"]: node for node in json.loads(written.read_text())["nodes"]}
    finally:
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, ""), said
    assert "Stopped. State is kept in .demo" in said


def signed_in(node: dict[str, Any], role: str) -> Visitor:
    visitor = Visitor(node["web"])
    visitor.login(node["logins"][role]["user"], node["logins"][role]["password"])
    return visitor


def studies(node: dict[str, Any], role: str) -> dict[str, int]:
    return {one["studyUid"]: one["instances"] for one in signed_in(node, role).get("/api/studies")["items"]}


def test_it_shows_its_study_is_alone_stops_and_goes_on(tmp_path: Path, images: Path) -> None:
    with demo(tmp_path, "--data", str(images)) as first:
        assert studies(first["alpha"], "technician") == {STUDY: 3}
        for arguments in ((), ("--reset",)):
            second = command(tmp_path, arguments)
            _, complaints = second.communicate(timeout=60)
            assert second.returncode == 1
            assert complaints.startswith("Starting the demo was refused: one runs in this folder already.")
        assert studies(first["alpha"], "technician") == {STUDY: 3}
        assert (tmp_path / ".demo/demo.json").exists()
    assert not (tmp_path / ".demo/demo.json").exists()
    with demo(tmp_path) as again:
        assert again["alpha"]["logins"] == first["alpha"]["logins"]
        assert studies(again["alpha"], "technician") == {STUDY: 3}


def test_its_ports_are_none_that_the_kernel_gives_to_others() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert max(ports) < lowest
