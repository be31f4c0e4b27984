"""Processes that a test ends at any moment, forked from one that has everything loaded: a start costs milliseconds.

Each is in a session of its own, calls ``main`` of a module of `tests.kit` with its arguments, and has the environment
of whoever starts it; what it says goes to a file, and lasts whatever becomes of it.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import node.failpoints

WAIT_S = 120.0
MODULES = ("archived_study", "backing", "blocks", "deleting", "lost_index", "merging")
"""Loaded once, and then found there by each that is started."""


class Forked:
    """One that runs, or ended."""

    def __init__(self, process: ForkServerProcess, said: Path) -> None:
        self._process = process
        self._said = said

    @property
    def runs(self) -> bool:
        return self._process.exitcode is None

    def stop(self) -> None:
        """Stop it and whatever it started where they are."""
        os.killpg(self._pid, signal.SIGSTOP)

    def kill(self) -> None:
        """End it and whatever it started, as kill -9 does; one that ended stays so."""
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for its end; gives its exit code, or minus the signal that ended it."""
        self._process.join(WAIT_S)
        assert self._process.exitcode is not None, "it does not end"
        return self._process.exitcode

    def said(self) -> str:
        """Give what it said; once it ended."""
        self.wait()
        return self._said.read_text()

    @property
    def _pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid


def begin(module: str, *arguments: str | Path, failpoint: str = "", planted: str = "") -> Forked:
    """Start one; gives it when it is in its own session."""
    (process,) = begin_together(1, module, *arguments, failpoint=failpoint, planted=planted)
    return process


def begin_together(
    count: int, module: str, *arguments: str | Path, failpoint: str = "", planted: str = ""
) -> list[Forked]:
    """Start several that do the same; none goes on before all are there."""
    wanted = {"MERIDIAN_FAILPOINTS": failpoint, "MERIDIAN_PLANTED": planted}
    environment = {**os.environ, **{name: value for name, value in wanted.items() if value}}
    found, gates = list[Forked](), list[Connection]()
    for _ in range(count):
        descriptor, said = tempfile.mkstemp(dir=_lines().name)
        os.close(descriptor)
        ours, theirs = _forking().Pipe()
        process = _forking().Process(target=_run, args=(module, arguments, environment, said, theirs))
        process.start()
        theirs.close()
        found.append(Forked(process, Path(said)))
        gates.append(ours)
    for gate in gates:
        gate.recv()
    for gate in gates:
        gate.send(None)
        gate.close()
    return found


def run(module: str, *arguments: str | Path, failpoint: str = "", planted: str = "") -> int:
    """Start one and wait for its end; gives how it ended."""
    process = begin(module, *arguments, failpoint=failpoint, planted=planted)
    try:
        return process.wait()
    finally:
        process.kill()


@cache
def _lines() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="said-")


@cache
def _forking() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"tests.kit.{name}" for name in MODULES])
    return context


def _run(
    module: str, arguments: Sequence[str | Path], environment: Mapping[str, str], said: str, gate: Connection
) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    importlib.reload(node.failpoints)  # they are read from there when it is loaded
    with Path(said).open("w") as file:
        os.dup2(file.fileno(), 1)
    with gate:
        gate.send(None)
        gate.recv()
    importlib.import_module(f"tests.kit.{module}").main([str(one) for one in arguments])
