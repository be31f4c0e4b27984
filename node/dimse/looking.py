"""Looking through data sets of many associations at once, in bounded memory.

A data set is looked at where it lies. Only a deflated one must be inflated for
it, up to 64 MiB from a few KiB; so one is at a time, whoever sends them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from node.dicom.header import Header, scan
from node.dicom.syntax import is_deflated
from node.failpoints import planted

T = TypeVar("T")
_inflating = threading.Lock()


def look_through(
    data_set: bytes | memoryview,
    transfer_syntax: str,
    read: Callable[[Header], T],
    *,
    size: int | None = None,
) -> T:
    """Give what ``read`` finds in the header of a data set, or of its beginning; it must not keep the header.

    Raises
    ------
    InvalidRequest
        As `scan` and ``read`` say.
    """
    if not is_deflated(transfer_syntax) or planted("inflated-all-at-once"):
        return read(scan(data_set, transfer_syntax, size=size))
    with _inflating:
        return read(scan(data_set, transfer_syntax, size=size))
