"""The most memory that a process has had, since it began its program: what it was forked from does not count."""

from __future__ import annotations

from pathlib import Path


def peak_kb(pid: int | str = "self") -> int:
    """Give the kernel's high-water mark, in KiB; `getrusage` would count the parent's memory at the fork."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0])
