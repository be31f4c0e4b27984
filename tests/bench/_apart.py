"""Running a bench in a network namespace of its own: Orthanc and storescp listen on every address of a machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

APART = "MERIDIAN_BENCH_APART"


def run_apart(name: str, root: Path) -> bool:
    """Run a bench apart; False when this is already there."""
    if APART in os.environ:
        return False
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    inside = [sys.executable, "-m", "tests.bench", name]
    command = ["unshare", *mapped, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *inside]
    with subprocess.Popen(command, env={**os.environ, APART: "1"}, cwd=root) as bench:
        signal.signal(signal.SIGTERM, lambda _number, _frame: bench.terminate())
        if code := bench.wait():
            raise SystemExit(code)
    return True
