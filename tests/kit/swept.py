"""Processes whose system calls are made to fail in turn: a receiver, and the index of a grid.

They are forked from one that has imported everything, say each step through a
socket, and wait there until they may go on, so that strace can be with them from
the step that a test wants. Nothing but the packs and the database is written.
``python -m tests.kit.swept DESCRIPTOR`` is the process they are forked from.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from actors.ingest import Ingest
from actors.supervisor import Supervisor
from node.bell import Bell
from node.clock import SystemClock
from node.dimse.refusals import FILE
from node.dimse.registration import CURSOR
from node.dimse.server import Receiver
from node.errors import GridError
from node.journal.cursors import position
from node.node import Node
from node.store.packs import Packs
from tests.kit.bare_node import bare_node
from tests.kit.receiving import config_for

ROOT = Path(__file__).resolve().parents[2]
NODE = "alpha"
PATIENCE_S = 60.0
"""What takes longer is called a hang."""


class Died(Exception):
    """The process ended before it said what was expected."""


class SweptProcess:
    """One of them, from the test's side. It waits at each step that it says."""

    def __init__(self, pid: int, ear: socket.socket) -> None:
        self.pid = pid
        self._ear = ear
        self._end = os.pidfd_open(pid)

    def go(self) -> None:
        """Let it take the next step."""
        with suppress(OSError):
            self._ear.send(b"go")

    def hear(self, step: str, *, patience_s: float = PATIENCE_S) -> str:
        """Wait until it says that it came to a step; give what it says about it.

        Raises
        ------
        Died
            It ended, or said that it failed.
        TimeoutError
            It hangs.
        """
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            ready, _, _ = select.select([self._ear, self._end], [], [], 0.2)
            if self._ear in ready:
                pid, said, about = self._ear.recv(4096).decode().split(" ", 2)
                if int(pid) != self.pid:
                    continue  # the last word of one before
                if said != step:
                    raise Died(f"{said} {about}")
                return about
            if self._end in ready:
                raise Died(f"before it was {step}")
        raise TimeoutError(f"it did not come to be {step}")

    def end(self) -> None:
        """Kill it if it lives, and wait until it is gone."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._end, signal.SIGKILL)  # by its number another might be meant by now
        select.select([self._end], [], [], PATIENCE_S)
        os.close(self._end)


class Nursery:
    """Starts processes in a moment, one at a time."""

    def __init__(self, *, planted: str = "", prefix: Sequence[str] = ()) -> None:
        """Start the process that they are forked from.

        Parameters
        ----------
        prefix
            A command that runs the one behind it, elsewhere or otherwise.
        """
        self._ear, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.kit.swept", str(theirs.fileno())],
            cwd=ROOT,
            env={**os.environ, "MERIDIAN_PLANTED": planted},
            stdin=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
            text=True,
        )
        theirs.close()
        self.pid = self._process.pid

    def start(
        self, kind: str, folder: Path, *, roll_bytes: int = 1 << 30, reserve_bytes: int = 0
    ) -> SweptProcess:
        """Start a ``receiver`` or ``grid`` over the state folder of node alpha below a folder."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([kind, str(folder), roll_bytes, reserve_bytes]) + "\n")
        self._process.stdin.flush()
        while True:
            pid, said, _ = self._ear.recv(4096).decode().split(" ", 2)
            if said == "born":
                return SweptProcess(int(pid), self._ear)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._ear.close()


class _Voice:
    """How a process says its steps: by calls that are no writes."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def say(self, step: str, about: object = "") -> None:
        self._socket.send(f"{os.getpid()} {step} {about}".encode())

    def step(self, step: str, about: object = "") -> None:
        """Say a step, and wait until the next may be taken."""
        self.say(step, about)
        self._socket.recv(16)


class RingsAtOnce(Bell):
    """A bell without a thread of its own, so that each run makes the same calls in the same order."""

    def ring(self) -> None:
        self._ring_now()


def open_packs(state: Path, roll_bytes: int = 1 << 30, reserve_bytes: int = 0) -> Packs:
    """Open the packs of a state folder as a receiver does."""
    return Packs(state / "packs", SystemClock(), roll_bytes, reserve_bytes, writer="receiver")


def is_indexed(node: Node) -> bool:
    """Say whether the index has nothing left to register."""
    path = node.state / "landing" / FILE
    return not node.packs.landing() and (not path.exists() or position(node.database, CURSOR) > 0)


def _receiver(folder: Path, voice: _Voice, *, roll_bytes: int, reserve_bytes: int) -> None:
    """Do what the receiver process does: recover, then listen."""
    state = folder / NODE
    packs = open_packs(state, roll_bytes, reserve_bytes)
    report = packs.recover()
    config = config_for(release_barrier_s=0)
    receiver = Receiver(config, state, packs=packs, clock=SystemClock(), bell=RingsAtOnce(state / "run"))
    receiver.start()
    voice.step("ready", f"{receiver.port} {len(report.damaged)}")
    threading.Event().wait()


def _grid(folder: Path, voice: _Voice, **_: int) -> None:
    """Do what the index of the grid process does, under its supervisor, until nothing is left to register."""
    node = bare_node(folder, NODE, SystemClock())
    voice.step("ready")
    gave_up: list[str] = []
    supervisor = Supervisor(
        {Ingest.NAME: lambda failed: Ingest.start(failed, node)},
        escalate=lambda name, error: gave_up.append(f"{name} {error}"),
        back_off_s=(0.01,),
    )
    node.bell.listen(supervisor.wake)
    supervisor.start()
    indexed = False
    while not indexed:
        time.sleep(0.002)
        if gave_up:
            raise RuntimeError(gave_up[0])
        with suppress(OSError, GridError):  # it is the actor that must get through, not the one that looks
            indexed = is_indexed(node)
    voice.step("registered")
    supervisor.stop()
    node.close()
    voice.say("ended")


_PROGRAMS: dict[str, Callable[..., None]] = {"receiver": _receiver, "grid": _grid}


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    voice = _Voice(socket.socket(fileno=int(arguments[0])))
    for line in sys.stdin:
        kind, folder, roll_bytes, reserve_bytes = json.loads(line)
        if os.fork() == 0:
            _live(kind, Path(folder), voice, roll_bytes=roll_bytes, reserve_bytes=reserve_bytes)
    return 0


def _live(kind: str, folder: Path, voice: _Voice, **sizes: int) -> None:
    try:
        voice.step("born")
        _PROGRAMS[kind](folder, voice, **sizes)
    except BaseException as error:
        voice.say("failed", repr(error)[:2000])
    finally:
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
