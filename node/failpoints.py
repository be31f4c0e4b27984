"""Named places where a test may end the process, or plant a fault. Nothing happens unless a test asked.

``MERIDIAN_FAILPOINTS=answered:3,signed`` ends the process with SIGKILL the third
time it comes to ``answered`` and the first time to ``signed``. With
``MERIDIAN_FAILPOINT_MARKS=DIR`` each fires once, across restarts.
``MERIDIAN_PLANTED=no-data-sync`` switches a planted fault on.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

_WANTED = {
    name: int(count or 1)
    for name, _, count in (
        item.partition(":") for item in os.environ.get("MERIDIAN_FAILPOINTS", "").split(",")
    )
    if name
}
_PLANTED = frozenset(os.environ.get("MERIDIAN_PLANTED", "").split(",")) - {""}
_MARKS = os.environ.get("MERIDIAN_FAILPOINT_MARKS")
_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """End this process here if a test wants it to."""
    if not _WANTED or name not in _WANTED:
        return
    _passed[name] += 1
    if _passed[name] != _WANTED[name]:
        return
    if _MARKS is not None:
        mark = Path(_MARKS) / name
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)


def planted(fault: str) -> bool:
    """Say whether a test switched a fault on; always False in service."""
    return fault in _PLANTED
