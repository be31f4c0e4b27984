"""The keys of sealed packages once more, a file each: for whoever lost the rows that hold them.

A note lies with the archive key that opens it, not with the package: whoever has the one has the other, the store learns
nothing, and forgetting a note and a row destroys a copy also where bytes cannot be taken back, as in a bucket that keeps
versions. The key in it is wrapped, as in the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from node.canonical import canonical_json
from node.durable import sync_directory
from node.errors import Damaged, NotFound
from node.keys.private_files import make_private_folder, read_private, write_private
from node.names import Digest

FORMAT = "meridian-package-note/1"
FOLDER = "packages"
"""Below the folder of keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a row keeps of a sealed copy."""

    format: str = FORMAT
    package: Digest
    wrapped: str


class PackageNotes:
    """The notes of one store's packages."""

    def __init__(self, keys_folder: Path, store: str) -> None:
        self._folder = keys_folder / FOLDER / store

    def write(self, stored_name: Digest, *, package: Digest, wrapped: str) -> None:
        """Note a package's name and wrapped key by the name under which it lies; synced, in place of an earlier one.

        Raises
        ------
        Unavailable
            The disk is full or failing.
        """
        path = self._path(stored_name)
        for folder in (self._folder.parent, self._folder, path.parent):
            if not folder.is_dir():
                make_private_folder(folder)
                sync_directory(folder.parent)
        content = canonical_json(msgspec.to_builtins(Note(package=package, wrapped=wrapped)))
        write_private(path, content.encode())

    def peek(self, stored_name: Digest) -> Note | None:
        """Give a note; None when there is none.

        Raises
        ------
        Damaged
            It was altered.
        """
        try:
            note = msgspec.json.decode(read_private(self._path(stored_name)), type=Note)
        except NotFound:
            return None
        except msgspec.DecodeError as error:
            raise Damaged(
                f"Reading the key of package {stored_name[:16]} failed: its note was altered."
            ) from error
        if note.format != FORMAT:
            raise Damaged(f"Reading the key of package {stored_name[:16]} failed: its note was altered.")
        return note

    def forget(self, stored_name: Digest) -> None:
        """Destroy a note; nothing to do when there is none."""
        path = self._path(stored_name)
        if path.exists():
            path.unlink(missing_ok=True)
            sync_directory(path.parent)

    def _path(self, stored_name: Digest) -> Path:
        return self._folder / stored_name[:2] / f"{stored_name}.json"
