"""Originals made again of a package, by several processes at once, each compared with its digest before it is given."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from node.archive.manifest import Instance
from node.archive.package import Package
from node.archive.requests import TurnBack
from node.archive.workers import Ask, Workers
from node.errors import Damaged
from node.imaging.codec_process import Died


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """An original in a file: its file meta, then its data set. The file goes when the next one is asked for."""

    number: int
    instance: Instance
    file: Path


def restore(
    package: Package, path: Path, folder: Path, workers: Workers, numbers: Iterable[int]
) -> Iterator[Restored]:
    """Give originals by their numbers from 1, in the order asked for.

    Parameters
    ----------
    path
        Where the package lies.
    folder
        Where files lie meanwhile, on a disk with room for a few.

    Raises
    ------
    Damaged
        One does not come back as it was archived; those before it did.
    """
    work = partial(_turn_back, package, path, folder)
    made = workers.map(numbers, work)
    try:
        for restored in made:
            yield restored
            restored.file.unlink(missing_ok=True)
    finally:
        for left in folder.glob(f"*.{os.getpid()}.restored"):
            with suppress(OSError):
                left.unlink()


def _turn_back(package: Package, path: Path, folder: Path, number: int, ask: Ask) -> Restored:
    instance = package.instance(number)
    at, method, size, stored = package.content(number)
    file = folder / f"{number}.{os.getpid()}.restored"
    request = TurnBack(
        package=str(path),
        at=at,
        method=method,
        size=size,
        stored=stored,
        meta_bytes=instance.meta_bytes,
        sink=str(file),
    )
    try:
        done, _ = ask(request, package.record(number))
    except Died as error:
        raise _not_back() from error
    if done.refused or done.member != instance.member or done.digest != instance.digest:
        raise _not_back()
    return Restored(number=number, instance=instance, file=file)


def _not_back() -> Damaged:
    return Damaged(
        "Reading an archived instance failed: it does not come back as it was. Use the other copy."
    )
