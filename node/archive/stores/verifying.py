"""A copy believed only after all of it was read back from its medium; also what scrubbing calls."""

from __future__ import annotations

import hashlib

from node.archive.stores.port import ArchiveStore, Stored
from node.clock import MINUTE, SECOND, Clock, Micros
from node.errors import Damaged, Unavailable
from node.failpoints import planted

_LEAST_BYTES_PER_S = 1 << 20
"""A store that gives less than this is called slow."""


def verify_copy(store: ArchiveStore, stored: Stored, clock: Clock) -> None:
    """Read a copy back and compare it with the package's digest.

    Raises
    ------
    Damaged
        It is another file, or not all of it.
    NotFound
        It is not there, whatever putting it said; or its key was forgotten.
    NotReady
        It must be brought from a slow medium first.
    Unavailable
        The store is gone, failing, or slower than 1 MB/s after the first minute.
    """
    hash_ = hashlib.sha256()
    end = clock.now() + MINUTE + stored.size_bytes // _LEAST_BYTES_PER_S * SECOND
    for piece in store.read_back(stored):
        hash_.update(piece)
        _check_pace(store, now=clock.now(), end=end)
    if hash_.hexdigest() != stored.package and not planted("copy-not-compared"):
        raise Damaged(
            f"Verifying a package in archive store {store.name!r} failed: it is not what was put there."
            " Put it again from its other copy."
        )


def _check_pace(store: ArchiveStore, *, now: Micros, end: Micros) -> None:
    if now > end and not planted("slow-store-awaited"):
        raise Unavailable(
            f"Verifying a package in archive store {store.name!r} failed: it gives less than 1 MB/s."
            " See to the line or the disk, try again."
        )
