"""What the C library does with memory that was given back: hand it to the system, or keep it for the next request.

Handing it back and asking again costs a page fault for each 4 KiB: of a picture that is rendered a third of all its
time, of a study that streams a quarter. Where the C library has no such settings nothing changes.

Source: mallopt(3).
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

KEPT_BYTES = 64 << 20
"""So much freed memory is kept, in each of `ARENAS`."""
LONGEST_BYTES = 8 << 20
"""What is longer is always given back."""
ARENAS = 2
"""Places that threads share; each keeps what was freed there."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def keep_freed() -> None:
    """Keep freed memory for the next request: for a process that answers people and programs. Call before threads start."""
    libc = ctypes.CDLL(None)
    with suppress(AttributeError):
        libc.mallopt(_M_ARENA_MAX, ARENAS)
        libc.mallopt(_M_MMAP_THRESHOLD, LONGEST_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)


def stay_small() -> None:
    """Give back what importing took, and keep threads from holding memory in as many places.

    Only for a process that receives and does nothing else.
    """
    gc.collect()
    gc.freeze()
    libc = ctypes.CDLL(None)
    with suppress(AttributeError):
        libc.mallopt(_M_ARENA_MAX, ARENAS)
        libc.malloc_trim(0)
