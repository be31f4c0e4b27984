"""What a node's processes listen at, as the machine's administrator sees it with ``ss``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import psutil

_PID = re.compile(r"pid=(\d+)")


def ports_listened_at(processes: Iterable[psutil.Process]) -> set[int]:
    """Give the TCP ports that some processes, or children of theirs, listen at."""
    pids = {one.pid for process in processes for one in (process, *process.children(recursive=True))}
    listed = subprocess.run(["ss", "-ltnpH"], check=True, capture_output=True, text=True, timeout=30).stdout
    ports = set()
    for line in listed.splitlines():
        if pids & {int(pid) for pid in _PID.findall(line)}:
            ports.add(int(line.split()[3].rpartition(":")[2]))
    return ports


def is_listened_at(port: int) -> bool:
    """Look whether somebody listens without connecting: a connection would be an association that failed."""
    listen, wanted = "0A", f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    return any(
        fields[1].endswith(wanted) and fields[3] == listen for fields in map(str.split, lines.splitlines())
    )
