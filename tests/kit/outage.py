"""A receiver and an index over one state folder, as processes that may be stopped and killed at any moment.

``python -m tests.kit.outage`` forks one for each line that it reads, so that a start costs little. Both note
nothing themselves: devices keep what they were answered, and the index writes how far it got to a file that lies elsewhere.
"""

from __future__ import annotations

import importlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECEIVER, INDEX = "receiver", "index"


class Outages:
    """Starts, stops and kills processes of one node."""

    def __init__(self, *, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kit.outage"],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._running: list[int] = []

    def start_receiver(self, state: Path, *, sync_s: float = 0.0, barrier_s: float = 2.0) -> int:
        """Start one; give its port.

        Parameters
        ----------
        sync_s
            How long before a sync of a record begins: a disk that is slow.
        """
        return self._start(f"{RECEIVER} {state} {sync_s} {barrier_s}")

    def start_index(self, state: Path, notes: Path) -> None:
        """Start one that registers without a pause, and notes each cursor whose batch was written."""
        self._start(f"{INDEX} {state} {notes} -")

    def stop(self) -> None:
        """Stop all where they are; they do nothing from here on."""
        for pid in self._running:
            os.kill(pid, signal.SIGSTOP)
        for pid in self._running:
            while _state(pid) not in "TDZX":
                time.sleep(0.001)

    def kill(self, *, apart_s: float = 0.0) -> None:
        """End all with SIGKILL, in any order, and wait until they are gone."""
        for pid in random.sample(self._running, len(self._running)):
            os.kill(pid, signal.SIGKILL)
            time.sleep(apart_s)
        for pid in self._running:
            while Path(f"/proc/{pid}").exists():
                time.sleep(0.001)
        self._running.clear()

    def close(self) -> None:
        self.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def _start(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        pid, port = self._process.stdout.readline().split()
        assert int(pid), "the process did not start; its lines say why"
        self._running.append(int(pid))
        return int(port)


def claims(notes: Path) -> dict[str, int]:
    """Give how far the index said it had come, by cursor; its last line may be cut off."""
    said: dict[str, int] = {}
    for line in notes.read_text().splitlines(keepends=True) if notes.exists() else []:
        if line.endswith("\n"):
            reader, position = line.split()
            said[reader] = int(position)
    return said


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _receive(state: str, sync_s: str, barrier_s: str) -> int:
    """Do what a receiver process does at start: recover, then listen."""
    from node.bell import Bell
    from node.clock import SystemClock
    from node.dimse.barrier import index_of
    from node.dimse.server import Receiver
    from tests.kit.receiving import config_for, packs_of

    if float(sync_s):
        os.fdatasync = _late(os.fdatasync, float(sync_s))  # type: ignore[assignment]
    packs = packs_of(Path(state))
    packs.recover()  # damage is no reason not to receive; whoever looks afterwards finds it again
    receiver = Receiver(
        config_for(release_barrier_s=float(barrier_s)),
        Path(state),
        packs=packs,
        clock=SystemClock(),
        bell=Bell(Path(state) / "run"),
        caught_up=index_of(Path(state) / "meridian.db"),
    )
    receiver.start()
    return receiver.port


def _late(sync: Callable[[int], None], after_s: float) -> Callable[[int], None]:
    def late(descriptor: int) -> None:
        time.sleep(after_s)
        sync(descriptor)

    return late


def _index(state: str, notes: str, _unused: str) -> int:
    """Register in a thread; a line of a note follows the batch that it speaks of."""
    from actors.ingest import Ingest
    from node.clock import SystemClock
    from tests.kit.actors import Failures
    from tests.kit.bare_node import bare_node

    folder = Path(state)
    node = bare_node(folder.parent, folder.name, SystemClock())
    ingest = Ingest(Failures(), node)
    said: dict[str, int] = {}

    def follow() -> None:
        with Path(notes).open("ab", buffering=0) as file:
            while True:
                ingest.step()
                rows = node.database.read("SELECT reader, position FROM cursor WHERE reader LIKE 'index/%'")
                reached = {str(row["reader"]): int(str(row["position"])) for row in rows}
                new = {reader: at for reader, at in reached.items() if said.get(reader) != at}
                said.update(new)
                if new:
                    file.write("".join(f"{reader} {at}\n" for reader, at in new.items()).encode())
                else:
                    time.sleep(0.002)

    threading.Thread(target=follow, daemon=True).start()
    return 0


def main() -> int:
    for module in ("actors.ingest", "node.dimse.reception", "tests.kit.bare_node", "tests.kit.receiving"):
        importlib.import_module(module)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        kind, state, first, second = line.split()
        if os.fork() == 0:
            try:
                port = (_receive if kind == RECEIVER else _index)(state, first, second)
            except BaseException:
                traceback.print_exc()
                print("0 0", flush=True)
                os._exit(1)
            print(os.getpid(), port, flush=True)
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
