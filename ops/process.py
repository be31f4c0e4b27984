"""One process of a node: ``python -m ops.process receiver|grid|worker STATE``.

Started and restarted by `ops.serve`. It ends on SIGTERM, and when its standard
input ends, so that it never outlives its parent.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from ops.alone import running
from ops.serve import end_with_parent


def main(arguments: list[str]) -> int:
    """Run one kind of process until told to stop; give the exit code."""
    kind, state = arguments[0], Path(arguments[1])
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    end_with_parent()
    with running(state):
        return _run(kind, state, stopping)


def _run(kind: str, state: Path, stopping: threading.Event) -> int:
    match kind:
        case "receiver":
            from ops.receiver import run_receiver

            return run_receiver(state, stopping)
        case "grid":
            from ops.grid import run_grid

            return run_grid(state, stopping)
        case "worker":
            from ops.worker import run_worker_process

            return run_worker_process(state, stopping)
        case _:
            print(f"Starting a process failed: there is no kind {kind!r}.", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
