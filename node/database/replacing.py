"""A new database file put in the place of the old one, which is kept beside it.

The old file has two names before the new one takes the first of them, so at each instant a whole database has the name:
the old one, or the new one. A log that lies beside belongs to the old file and would be replayed into the new: it goes,
under the old one's other name, before. Of a database that can be opened it is empty by then (`salvage.fold_log`).
"""

from __future__ import annotations

import os
from pathlib import Path

from node.durable import sync_directory
from node.errors import Unavailable
from node.failpoints import failpoint, planted

_LOG, _INDEX = "-wal", "-shm"


def beside(path: Path, what: str) -> Path:
    """Give a name beside a database's, which a backup leaves out as it does the database itself."""
    return path.with_name(f"{path.name}.{what}")


def forget_database(path: Path) -> None:
    """Remove a database file that nobody means, with all that lies beside it."""
    for name in ("", _LOG, _INDEX, "-journal", "-next", "-turn"):
        path.with_name(path.name + name).unlink(missing_ok=True)


def replace_database(path: Path, new: Path, *, keep: Path) -> Path | None:
    """Give a new database the name of the old one; give where the old one lies, None when there was none.

    Raises
    ------
    Unavailable
        The disk is full or failing; the old one has its name.
    """
    try:
        _sync(new)
        kept = _keep(path, keep)
        failpoint("rebuild-kept")
        for name in (_LOG, _INDEX):
            if not planted("rebuild-log-left"):
                path.with_name(path.name + name).unlink(missing_ok=True)
        new.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise Unavailable(
            f"Putting the new database in place failed ({error.strerror}): see to the disk, then rebuild again."
        ) from error
    failpoint("rebuild-named")
    for name in (_LOG, _INDEX, "-next", "-turn"):
        new.with_name(new.name + name).unlink(missing_ok=True)
    return kept


def _keep(path: Path, keep: Path) -> Path | None:
    """Give the old file, and its log, a second name; one that a killed rebuild gave is as good."""
    if path.exists():
        for other in path.parent.glob(f"{path.name}.*.old"):
            if other.samefile(path):
                keep = other
    kept = None
    for name in ("", _LOG):
        old, second = path.with_name(path.name + name), keep.with_name(keep.name + name)
        if old.exists():
            kept = keep
            if not second.exists():
                os.link(old, second)
    sync_directory(path.parent)
    return kept


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
