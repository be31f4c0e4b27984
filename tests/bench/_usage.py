"""What processes have cost: CPU time of a process and all that it started, and the most memory they took."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Self

import psutil

LOOK_S = 0.25
QUIET_WITHIN_S, QUIET_SHARE = 10.0, 0.1


def tree(process: psutil.Process) -> list[psutil.Process]:
    """Give a process and all below it that are there now."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_s(process: psutil.Process) -> float:
    """Give the CPU time of a process and of all it started, also of those that have ended."""
    total = 0.0
    for one in tree(process):
        try:
            total += sum(one.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def wait_until_quiet(process: psutil.Process) -> None:
    """Wait until a process that starts has done what it does at start."""
    until = time.monotonic() + QUIET_WITHIN_S
    while time.monotonic() < until:
        before = cpu_s(process)
        time.sleep(LOOK_S)
        if cpu_s(process) - before < LOOK_S * QUIET_SHARE:
            return


class PeakMemory:
    """Watches what receives, in a thread of its own, while something is sent."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.resident_mb = 0.0
        """The kernel's own high-water marks (VmHWM), those of processes that lived at once summed up."""
        self.anonymous_mb = 0.0
        """The most that was seen of memory that is no file's: a file that is mapped counts in the other two."""
        self.proportional_mb = 0.0
        """The most of PSS that was seen; 0 where the kernel does not tell."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        living = tree(self._process)
        self.resident_mb = max(self.resident_mb, _sum(living, "status", "VmHWM"))
        self.anonymous_mb = max(self.anonymous_mb, _sum(living, "status", "RssAnon"))
        self.proportional_mb = max(self.proportional_mb, _sum(living, "smaps_rollup", "Pss"))


def _sum(processes: list[psutil.Process], file: str, name: str) -> float:
    return sum(_field(process, file, name) for process in processes)


def _field(process: psutil.Process, file: str, name: str) -> float:
    """Give a field of a file of /proc in MB; 0 when it is not there."""
    try:
        lines = Path(f"/proc/{process.pid}/{file}").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{name}:")), 0.0)
