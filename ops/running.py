"""Node processes started from here and watched: for the demo and for tests."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from node.config import Config, load_config
from node.errors import Unavailable

READY_S = 60.0
STOP_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomAddress:
    """Where devices send to."""

    host: str
    port: int
    aet: str


@dataclass(slots=True, kw_only=True)
class RunningNode:
    """One node's processes, by the one that keeps them up."""

    name: str
    web: str
    dicom: DicomAddress
    process: subprocess.Popen[bytes]
    log: Path
    waits_for_web: bool = field(default=True)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_until_ready(self, stopping: threading.Event | None = None) -> None:
        """Return when both doors answer.

        Raises
        ------
        Unavailable
            They do not in time; says where its lines stand.
        """
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and self.alive and not (stopping and stopping.is_set()):
            if _accepts(self.dicom.host, self.dicom.port) and (not self.waits_for_web or _answers(self.web)):
                return
            time.sleep(0.1)
        if stopping and stopping.is_set():
            return
        raise Unavailable(f"Starting {self.name} failed: it does not answer. Its lines stand in {self.log}.")

    def stop(self) -> None:
        """Ask it to end, and wait until all its processes have."""
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_node(
    state: Path, *, environment: dict[str, str] | None = None, one_process: bool = False
) -> RunningNode:
    """Start ``meridian serve`` for a state folder; its lines go to ``log`` in it."""
    config = load_config(state)
    command = ["-m", "ops.serve", str(state), "--with-parent"]
    if one_process:
        command = ["-m", "ops.cli", "serve", str(state), "--one-process"]
    return RunningNode(
        name=config.id,
        web=f"{'https' if config.web.certificate else 'http'}://{config.web.host}:{config.web.port}",
        dicom=_dicom(config),
        process=_start(command, state / "log", environment),
        log=state / "log",
    )


def start_pacs(state: Path, address: tuple[str, str, int]) -> RunningNode:
    """Start a small storage SCP that keeps what it is sent as files: the demo's stand-in for a PACS."""
    aet, host, port = address
    state.mkdir(parents=True, exist_ok=True)
    return RunningNode(
        name="pacs",
        web="",
        dicom=DicomAddress(host=host, port=port, aet=aet),
        process=_start(["-m", "ops.demo_pacs", str(state), aet, host, str(port)], state / "log", None),
        log=state / "log",
        waits_for_web=False,
    )


def stop_on_signals(stopping: threading.Event) -> None:
    """Set an event at SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())


def _start(arguments: list[str], log: Path, environment: dict[str, str] | None) -> subprocess.Popen[bytes]:
    with log.open("ab") as lines:
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=lines,
            stderr=lines,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )


def _dicom(config: Config) -> DicomAddress:
    return DicomAddress(host=config.dicom.host, port=config.dicom.port, aet=config.aet)


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _answers(web: str) -> bool:
    host, _, port = web.partition("://")[2].rpartition(":")
    kind = http.client.HTTPSConnection if web.startswith("https") else http.client.HTTPConnection
    connection = kind(host, int(port), timeout=2)
    try:
        connection.request("GET", "/api/me")
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()
