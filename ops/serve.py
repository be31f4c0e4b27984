"""Keep one node's processes up: receiver, grid and worker, each its own child.

A child that ends is started again without touching the others, later and later
while it keeps failing. Standard library only, so that the parent stays small.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("receiver", "grid", "worker")
BACK_OFF_S = (0.2, 1.0, 5.0, 15.0, 60.0)
STEADY_S = 60.0
DRAIN_S = 15.0
LOOK_S = 0.2


@dataclass(slots=True)
class Child:
    """One kind of process and how its starts have gone."""

    kind: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    next_start: float = field(default=0.0)


def serve(state: Path) -> int:
    """Run a node until SIGTERM or SIGINT; give the exit code."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    children = [Child(kind) for kind in KINDS]
    while not stopping.wait(LOOK_S):
        for child in children:
            _keep_up(child, state)
    _drain(children)
    return 0


def _keep_up(child: Child, state: Path) -> None:
    now = time.monotonic()
    if child.process is not None and (code := child.process.poll()) is not None:
        child.failures = 0 if now - child.started > STEADY_S else child.failures + 1
        wait = BACK_OFF_S[min(child.failures, len(BACK_OFF_S) - 1)]
        child.next_start = now + wait
        child.process = None
        print(f"{child.kind} ended with {code}; starting it again in {wait:g} s", file=sys.stderr, flush=True)
    if child.process is None and now >= child.next_start:
        child.started = now
        # The child ends when its standard input does: so it never outlives this process, however that ends.
        child.process = subprocess.Popen(
            [sys.executable, "-m", "ops.process", child.kind, str(state)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )


def _drain(children: list[Child]) -> None:
    """Ask the receiver first, so that nothing more comes in; then the rest."""
    for child in children:
        if child.process is not None:
            child.process.terminate()
    deadline = time.monotonic() + DRAIN_S
    for child in children:
        if child.process is None:
            continue
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()


def end_with_parent() -> None:
    """End this process, as by SIGTERM, when its standard input ends: it never outlives who started it."""

    def watch() -> None:
        while os.read(0, 1024):  # not sys.stdin: its lock, held here, would end a quiet exit with an abort
            continue
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    if "--with-parent" in sys.argv[2:]:
        end_with_parent()
    sys.exit(serve(Path(sys.argv[1])))
