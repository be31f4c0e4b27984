"""Originals made again of a package, by several processes at once, written where they are to stand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from node.archive.package.manifest import Instance
from node.archive.package.reading import Package
from node.archive.package.requests import TurnBack
from node.archive.package.workers import Ask, Workers
from node.catalogue.search import InstanceRow
from node.errors import Damaged, Unavailable
from node.failpoints import planted
from node.imaging.codec_process import Died
from node.store.merging import MergedPack, Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An original, by its number from 1, and where its file meta and data set are to stand."""

    number: int
    file: str
    at: int


def restore(
    package: Package, path: Path, workers: Workers, wanted: Iterable[Wanted], *, compared: bool = True
) -> Iterator[Instance]:
    """Write originals where they are wanted; says of each, in the order asked for, that it is there.

    Parameters
    ----------
    path
        Where the package lies.
    compared
        Each data set is compared with its digest as it is made; otherwise by whoever reads it back. Its member always
        is: no digest of the original says anything of its file meta.

    Raises
    ------
    Damaged
        One does not come back as it was archived; those before it did.
    Unavailable
        The package went meanwhile, or there is no room.
    """
    yield from workers.map(wanted, partial(_turn_back, package, path, compared))


def restore_into(
    merged: MergedPack,
    package: Package,
    path: Path,
    workers: Workers,
    rows: Sequence[tuple[int, InstanceRow]],
    *,
    compared: bool = True,
    fetch: Callable[[int], None] | None = None,
) -> Iterator[tuple[InstanceRow, int, int]]:
    """Append originals to a pack by their numbers; gives the row of each, and where its record and data set stand.

    What was given is in the pack, whatever happens to those behind it.

    Parameters
    ----------
    fetch
        Has a member lie where the package lies, before it is read; while others are made.

    Raises
    ------
    Damaged, Unavailable
        As `restore`; and `Damaged` where the package holds another instance.
    """
    arrivals, rooms = package.arrivals(), deque[Room]()

    def wanted() -> Iterator[Wanted]:
        for number, row in rows:
            instance = package.instance(number)
            if (instance.sop_uid, instance.digest) != (row.sop_uid, row.digest):
                raise Damaged(
                    "Recalling a study failed: its package holds another instance. Run 'meridian verify'."
                )
            room = merged.leave_room(
                arrivals[number - 1], meta_bytes=row.meta_bytes, data_bytes=row.data_bytes, digest=row.digest
            )
            rooms.append(room)
            if fetch is not None:
                fetch(number)
            yield Wanted(number=number, file=room.file, at=room.at)

    try:
        made = restore(package, path, workers, wanted(), compared=compared)
        for (_, row), _ in zip(rows, made, strict=True):
            merged.fill(rooms[0])
            room = rooms.popleft()
            yield row, room.offset, room.data_offset
    finally:
        if rooms:
            merged.take_back(rooms[0])


def _turn_back(package: Package, path: Path, compared: bool, wanted: Wanted, ask: Ask) -> Instance:
    instance = package.instance(wanted.number)
    at, method, size, stored = package.content(wanted.number)
    request = TurnBack(
        package=str(path),
        at=at,
        method=method,
        size=size,
        stored=stored,
        meta_bytes=instance.meta_bytes,
        sink=wanted.file,
        sink_at=wanted.at,
        room_bytes=instance.meta_bytes + instance.data_bytes,
        compared=compared,
    )
    try:
        done, _ = ask(request, package.record(wanted.number))
    except Died as error:
        raise _not_back() from error
    if done.gone:
        raise Unavailable("Reading an archived instance was put off: its package went meanwhile. Try again.")
    if done.refused:
        raise _not_back()
    right = done.member == instance.member or planted("member-uncompared")
    if not right or (compared and done.digest != instance.digest):
        raise _not_back()
    return instance


def _not_back() -> Damaged:
    return Damaged(
        "Reading an archived instance failed: it does not come back as it was. Use the other copy."
    )
