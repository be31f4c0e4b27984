"""What an archive store promises: packages put, found again for decades, and never half there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from node.archive.package.source import Source
from node.names import Digest

MARKER = ".meridian-store"
"""Its content is the store's name. Where it is not, the store is not: a disk that is not mounted looks empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A package as a store has it: what its row must keep."""

    package: Digest
    """SHA-256 of the package: what reading it gives again."""
    stored_name: Digest
    """SHA-256 of the bytes as they lie in the store, and their name there; the package's own unless it was sealed."""
    size_bytes: int
    """Of the bytes as they lie."""
    wrapped_key: str = ""
    """Of a sealed package. Whoever forgets it has destroyed this copy: its row, and its note (`forget_key`)."""


class StoredFile(Source, Protocol):
    """A package in a store, read by ranges, from any thread. Whoever opened it closes it."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Give a range, all of it.

        Raises
        ------
        Damaged
            It ends before, or does not open under its key.
        Unavailable
            The store is gone, slow or failing.
        """

    def close(self) -> None:
        """Let go of it."""


class ArchiveStore(Protocol):
    """A place of packages; from any thread. Whoever opened the store closes it.

    What raises `Unavailable` may be asked again later, as it is: every call can be
    repeated. `Damaged` is permanent: take another copy. `NotFound` is said only by a
    store that is there.
    """

    @property
    def name(self) -> str:
        """What the configuration calls it."""

    @property
    def is_slow(self) -> bool:
        """Whether a package must be brought from a slow medium first: `open` asks for that."""

    def put(self, package: Digest, file: Path) -> Stored:
        """Keep a file; when this returns, a power cut does not take it, and before that nobody finds it.

        The same again changes nothing that can be read. Another content under the name, since the name is that
        of the bytes, was damage, and is replaced. A store that seals draws a new key each time: it then has two
        copies, and the one whose `Stored` nobody kept is removed by whoever compares `names` with rows.

        Raises
        ------
        Damaged
            The file is not what its name says; nothing was put.
        Unavailable
            The store is full, may only be read, is gone, slow or failing. The name is as it was before.
        """

    def open(self, stored: Stored) -> StoredFile:
        """Open a package for reading.

        Raises
        ------
        NotFound
            It is not there, or its key was forgotten.
        NotReady
            It must be brought from a slow medium; that was asked for, and ``ready_at`` says when to try again.
        Unavailable
            The store is gone, slow or failing.
        Damaged
            It is cut off, or its key is another one.
        """

    def near(self, stored: Stored) -> Path | None:
        """Give where a package lies as a file of this machine, as it is; None where it does not, or nobody knows."""

    def read_back(self, stored: Stored) -> Iterator[bytes]:
        """Give all bytes of a package as the medium has them, not as memory has them; raises as `open` does."""

    def remove(self, stored_name: Digest) -> None:
        """Remove a file; nothing to do when it is not there.

        Raises
        ------
        Unavailable
            It may still be there.
        """

    def names(self, *, after: str = "") -> Iterator[Digest]:
        """Give the names of all files, in order, or of those that come after one; those put meanwhile may be missing.

        Raises
        ------
        Unavailable
            Some may not have been given: what is missing from this list says nothing.
        """

    def listed(self) -> Iterator[Stored]:
        """Give every package as its row must keep it, for whoever lost the rows; raises as `names` does.

        Of a sealed package whose key is not noted here ``package`` is empty: it cannot be opened.
        """

    def room(self) -> int | None:
        """Give how many bytes can still be written; None where nobody knows."""

    def close(self) -> None:
        """Let go of connections; what was opened stays open."""
