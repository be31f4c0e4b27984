"""Named places where a test may end the process, or plant a fault. Nothing happens unless a test asked.

``MERIDIAN_FAILPOINTS=answered:3,signed`` ends the process with SIGKILL the third
time it comes to ``answered`` and the first time to ``signed``. With
``MERIDIAN_FAILPOINT_MARKS=DIR`` each leaves a mark there and fires once, across
restarts; while its mark is there it is not counted, so a test arms it again by taking the mark away.
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
    mark = None if _MARKS is None else Path(_MARKS) / name
    if mark is not None and mark.exists():
        return
    _passed[name] += 1
    if _passed[name] != _WANTED[name]:
        return
    if mark is not None:
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)


def planted(fault: str) -> bool:
    """Say whether a test switched a fault on; always False in service."""
    return fault in _PLANTED
