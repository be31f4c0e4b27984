"""A fault in the n-th system call of a kind of a process that runs already, put there by strace.

strace counts each kind of call in each thread by itself, so one run may meet the
fault once in every thread; which calls met it is read from its log.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WRITES = [
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
]
"""Calls by which bytes and names come to a disk, or go."""
EIO, ENOSPC, KILL = "error=EIO", "error=ENOSPC", "signal=KILL"
FAULTS = {"EIO": EIO, "ENOSPC": ENOSPC, "SIGKILL": KILL}

KILLED = "killed"
_HIT = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed).*\(INJECTED\)", re.MULTILINE)
_CALL = re.compile(r"^\d+ +(\w+)\(", re.MULTILINE)


@contextmanager
def injected(pid: int, log: Path, *rules: str, once: bool = False) -> Iterator[None]:
    """Stay with a process and all its threads until it ends or the block does.

    Parameters
    ----------
    rules
        As strace's ``inject`` wants them: ``fdatasync:error=EIO:when=2``.
    once
        Leave after a call has met the fault, so that threads begun later do not meet it too.
    """
    watched = ",".join([*WRITES, "openat"])
    command = ["strace", "-f", "-y", "-s", "16", "-o", str(log), "-e", f"trace={watched}"]
    for rule in filter(None, rules):
        command += ["-e", f"inject={rule}"]
    strace = subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    assert strace.stderr is not None
    first = strace.stderr.readline()
    assert "attached" in first, first
    if once:
        threading.Thread(target=_leave_after_a_hit, args=(strace, log), daemon=True).start()
    try:
        yield
    except BaseException:
        with suppress(subprocess.TimeoutExpired):
            strace.wait(timeout=5)  # told to go while what it watches is dying, it may wait for ever
        raise
    finally:
        strace.terminate()
        try:
            strace.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            strace.kill()
            strace.communicate()


def _leave_after_a_hit(strace: subprocess.Popen[str], log: Path) -> None:
    while strace.poll() is None:
        if log.exists() and "(INJECTED)" in log.read_text(errors="replace"):
            strace.terminate()
            return
        time.sleep(0.01)


def hits(log: Path) -> Counter[str]:
    """Count the calls that met the fault, by kind; a process that was killed met one, and of which kind is not said."""
    content = log.read_text(errors="replace")
    return Counter(_HIT.findall(content)) or Counter(
        {KILLED: 1} if "+++ killed by SIGKILL" in content else {}
    )


def calls_in(log: Path) -> Counter[str]:
    """Count the calls of each kind."""
    return Counter(_CALL.findall(log.read_text(errors="replace")))
