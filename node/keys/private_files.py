"""Files that only their owner may read: written whole or not at all, refused when others could look.

A folder of such files has one lock, so that two processes change them in turn.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.durable import put_file
from node.errors import NotFound, Refused, Unavailable
from node.failpoints import planted

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_private(path: Path, content: bytes) -> None:
    """Put a file in place by rename, synced, with mode 0600 from its first byte on.

    Raises
    ------
    Unavailable
        The disk is full or failing; what stood there before still stands.
    """
    try:
        put_file(path, content, mode=FILE_MODE, synced=not planted("no-key-sync"))
    except OSError as error:
        raise Unavailable(
            f"Writing {path.name} failed ({error.strerror}): see to the disk, then try again."
        ) from error


def read_private(path: Path) -> bytes:
    """Give the content of a file that nobody else may read.

    Raises
    ------
    Refused
        Its mode, or that of its folder, lets others in; or it is a symbolic link.
    NotFound
        There is no such file.
    """
    check_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFound(f"Reading {path.name} failed: there is none in {path.parent}.") from error
    except OSError as error:
        raise Refused(
            f"Reading {path.name} was refused ({error.strerror}): it must be a plain file of the user that runs"
            " this node."
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(file.fileno()).st_mode & _OTHERS:
            raise Refused(f"Reading {path.name} was refused: others may read it. Run 'chmod 600 {path}'.")
        return file.read()


def make_private_folder(directory: Path) -> None:
    """Make a folder of mode 0700 where there is none."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    except OSError as error:
        raise Refused(
            f"Making folder {directory} was refused ({error.strerror}): give the user that runs this node the"
            " right to write there."
        ) from error


def check_folder(directory: Path) -> None:
    """Refuse a folder that others may enter: whoever may write there could swap its files.

    Raises
    ------
    Refused
        Its mode lets others in.
    NotFound
        There is none.
    """
    try:
        mode = directory.stat().st_mode
    except FileNotFoundError as error:
        raise NotFound(f"Reading folder {directory} failed: there is none.") from error
    if mode & _OTHERS:
        raise Refused(
            f"Reading folder {directory} was refused: others may enter it. Run 'chmod 700 {directory}'."
        )


@contextmanager
def folder_lock(directory: Path) -> Iterator[None]:
    """Hold the folder's lock: one process or thread at a time, freed when its holder dies.

    Parts that a dead writer left are removed; nobody writes one without the lock.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for part in directory.glob("*.part"):
            part.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)
