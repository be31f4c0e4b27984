"""Files that a power cut leaves whole or not at all: written beside their name, synced, renamed, the folder synced.

For what is small enough to be held in memory. What is streamed (packs, packages, sealed files) has the same order in its
own writer, and takes `sync_directory` from here.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

ANYBODY = 0o666
"""Less what the process's umask takes away, as every new file."""


def put_file(path: Path, content: bytes, *, mode: int = ANYBODY, synced: bool = True) -> None:
    """Put a file in place; when this returns it outlives a power cut, and before that the name is as it was.

    Parameters
    ----------
    mode
        Of the file, from its first byte on.
    synced
        False only where a planted fault leaves the sync of its bytes out.

    Raises
    ------
    OSError
        The disk is full or failing; nothing is left beside the name.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make names just created in a directory survive a power cut."""
    _sync(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def sync_file(path: Path) -> None:
    """Make a file's bytes survive a power cut."""
    _sync(path, os.O_RDONLY | os.O_CLOEXEC)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
