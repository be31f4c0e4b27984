"""A package where processes of this machine can read it: on a disk here, fetched whole, or as much of it as is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from node.archive.archived import DAMAGED, GONE, ArchivedRow, CopyRow, copies_of
from node.archive.copies import local_package, note_copy, nowhere, stored_of, usable_copies
from node.archive.package.reading import Package
from node.archive.package.source import FileSource, cut_off
from node.archive.recall.gathered import Gathered
from node.archive.recall.ranges import Span, by_ranges
from node.archive.stores.port import StoredFile
from node.catalogue.search import InstanceRow
from node.errors import Damaged, GridError, NotFound
from node.names import Digest
from node.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """A package open, and the file in which its members lie once they were fetched."""

    package: Package
    path: Path
    gathered: Gathered | None = None
    """None: all of it lies there."""

    def plan(self, numbers: Iterable[int]) -> None:
        """Say which members are fetched soon."""
        if self.gathered is not None:
            self.gathered.plan([Span(*self.package.extent(number)) for number in numbers])

    def fetch(self, number: int) -> None:
        """Have a member lie there; raises `Unavailable` or `Damaged` as `copies.open_package`."""
        if self.gathered is not None:
            self.gathered.fetch(Span(*self.package.extent(number)))


@contextmanager
def near_package(
    node: Node, archived: ArchivedRow, folder: Path, *, first: Collection[InstanceRow], whole: bool = False
) -> Iterator[Near]:
    """Give a package open: on a disk of this machine, or else fetched into a folder, whole or by ranges (`by_ranges`).

    Only what `local_package` fetches is compared as a whole. Whoever finds that something does not come back asks
    `spoiled_copies` where it lies on a disk here, and otherwise for all of it.

    Parameters
    ----------
    first
        What is read first.
    whole
        It is not read by ranges.
    """
    for copy in usable_copies(node, archived.digest):
        found = _opened_near(node, copy)
        if found is not None:
            package, source, path = found
            with source:
                yield Near(package=package, path=path)
            return
    asked = [(row.offset, row.data_bytes) for row in first]
    if not whole and by_ranges(asked, size=archived.bytes, online_bytes=archived.online_bytes):
        path = folder / "package.zip"
        far = _AnyCopy(node, archived)
        with closing(Gathered(far, path)) as gathered:
            yield Near(package=_opened(far, gathered), path=path, gathered=gathered)
        return
    with local_package(node, archived.digest, folder) as (package, path):
        yield Near(package=package, path=path)


def lies_near(node: Node, digest: Digest) -> bool:
    """Say whether a copy of a package lies on a disk of this machine."""
    for copy in usable_copies(node, digest):
        with suppress(GridError):
            if node.archive.store(copy.store).near(stored_of(copy)) is not None:
                return True
    return False


def _opened_near(node: Node, copy: CopyRow) -> tuple[Package, FileSource, Path] | None:
    with suppress(GridError):
        path = node.archive.store(copy.store).near(stored_of(copy))
        if path is None:
            return None
        source = FileSource(path)
        try:
            return Package(source), source, path
        except Damaged as error:
            source.close()
            note_copy(node, copy, DAMAGED, error)
    return None


def _opened(far: _AnyCopy, gathered: Gathered) -> Package:
    while True:
        try:
            return Package(gathered)
        except Damaged as error:
            if not far.pass_over(error):
                raise
            gathered.forget()


class _AnyCopy:
    """A package read in the first store that has it; a copy that fails on the way gives place to the next. For one thread at a time."""

    def __init__(self, node: Node, archived: ArchivedRow) -> None:
        self.size = archived.bytes
        self._node = node
        self._digest = archived.digest
        self._left = deque(usable_copies(node, archived.digest))
        self._errors: list[GridError] = []
        self._read: tuple[CopyRow, StoredFile] | None = None

    def read_at(self, offset: int, length: int) -> bytes:
        """Give a range.

        Raises
        ------
        Unavailable, Damaged
            No copy that is left gives it.
        """
        while True:
            _, file = self._read or self._next()
            try:
                return file.read_at(offset, length)
            except GridError as error:
                self.pass_over(error)

    def pass_over(self, error: GridError) -> bool:
        """Go on with the next copy, and note one that is not what it was; False when none was being read."""
        if self._read is None:
            return False
        copy, file = self._read
        self._read = None
        file.close()
        self._failed(copy, error)
        return True

    def close(self) -> None:
        if self._read is not None:
            self._read[1].close()

    def _next(self) -> tuple[CopyRow, StoredFile]:
        while self._left:
            copy = self._left.popleft()
            try:
                file = self._node.archive.store(copy.store).open(stored_of(copy))
            except GridError as error:
                self._failed(copy, error)
                continue
            self._read = copy, file
            if file.size == self.size:
                return self._read
            self.pass_over(cut_off())
        raise nowhere(self._errors, copies_of(self._node.database, self._digest))

    def _failed(self, copy: CopyRow, error: GridError) -> None:
        if isinstance(error, Damaged | NotFound):
            note_copy(self._node, copy, DAMAGED if isinstance(error, Damaged) else GONE, error)
        self._errors.append(error)
