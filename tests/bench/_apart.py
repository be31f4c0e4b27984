"""Run a bench in a network namespace of its own: Orthanc and storescp would listen on every address of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APART = "MERIDIAN_BENCH_APART"


def is_apart() -> bool:
    """Say whether this process is in one already."""
    return APART in os.environ


def run_apart(name: str) -> None:
    """Do it all there."""
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    inside = [sys.executable, "-m", "tests.bench", name]
    command = ["unshare", *root, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *inside]
    with subprocess.Popen(command, env={**os.environ, APART: "1"}, cwd=ROOT) as bench:
        signal.signal(signal.SIGTERM, lambda _number, _frame: bench.terminate())
        if code := bench.wait():
            raise SystemExit(code)
