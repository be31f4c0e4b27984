"""Whether a node runs: each of its processes holds a lock for as long as it lives, and who must be alone takes all of it.

The kernel takes the lock off a process that ends, however it ends. A command that only looks, or writes a row or two, holds
none, and may run beside the node; it does not begin while somebody is alone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.errors import Conflict

LOCK = "meridian.db.running"
"""Beside the database, and left out of backups as that is."""


def refuse_while_rebuilt(state: Path) -> None:
    """Return unless somebody is alone with a node's state folder.

    Raises
    ------
    Conflict
        Somebody is.
    """
    with running(state):
        return


@contextmanager
def running(state: Path) -> Iterator[None]:
    """Run one of the node's processes.

    Raises
    ------
    Conflict
        The index is being rebuilt.
    """
    with _held(
        state,
        fcntl.LOCK_SH,
        "Opening the node was refused: its index is being rebuilt. Wait until it is done.",
    ):
        yield


@contextmanager
def alone(state: Path, *, act: str) -> Iterator[None]:
    """Be alone with a node's state folder.

    Raises
    ------
    Conflict
        A process of the node runs, or somebody else is alone with it.
    """
    with _held(
        state, fcntl.LOCK_EX, f"{act} was refused: the node runs. Stop 'meridian serve', then try again."
    ):
        yield


@contextmanager
def _held(state: Path, how: int, refusal: str) -> Iterator[None]:
    descriptor = os.open(state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(refusal) from error
        yield
    finally:
        os.close(descriptor)
