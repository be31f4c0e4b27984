"""A process that ends at its n-th effect, played in this one: from then on nothing that it does has any effect.

What stands on the disk and in the database afterwards is what a kill -9 at that place leaves.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from node.database.port import Done, Statement
from node.database.sqlite import SqliteDatabase
from node.store.directory import PackDirectory

EFFECTS = ("pwrite", "fsync", "ftruncate", "link", "unlink", "posix_fadvise")


class Killed(BaseException):
    """Passes through whatever tries to clean up: that has no effect either."""


class _Life:
    """Counts effects; over after some."""

    def __init__(self, effects: int) -> None:
        self._left = effects
        self.over = False

    def spend(self) -> None:
        if self._left == 0:
            self.over = True
        if self.over:
            raise Killed
        self._left -= 1


@contextmanager
def killed_after(effects: int) -> Iterator[_Life]:
    """Let this many effects happen, then none; ``over`` says whether it came to that.

    An effect is one call of `EFFECTS`, or one batch of the database: killed before it, or after it was written and
    before anybody was told.
    """
    life = _Life(effects)
    held: list[int] = []
    begin, write = PackDirectory.begin_merge, SqliteDatabase.write

    def mortal(call: Callable[..., Any]) -> Callable[..., Any]:
        def effect(*arguments: Any, **named: Any) -> Any:
            life.spend()
            return call(*arguments, **named)

        return effect

    def begun(self: PackDirectory) -> tuple[str, int]:
        life.spend()
        name, descriptor = begin(self)
        held.append(descriptor)
        return name, descriptor

    def written(self: SqliteDatabase, statements: Sequence[Statement], key: str) -> Done:
        life.spend()
        done = write(self, statements, key)
        life.spend()
        return done

    patches = [patch.object(os, name, mortal(getattr(os, name))) for name in EFFECTS]
    patches += [
        patch.object(PackDirectory, "begin_merge", begun),
        patch.object(SqliteDatabase, "write", written),
    ]
    for one in patches:
        one.start()
    try:
        yield life
    except Killed:
        assert life.over
    finally:
        for one in patches:
            one.stop()
        for descriptor in held:
            with suppress(OSError):
                if "/merging/" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
                    os.close(descriptor)  # as the kernel does: its lock goes with it
