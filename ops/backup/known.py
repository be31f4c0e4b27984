"""What this node remembers of a place: which pieces lie there, and how its files looked at the last backup.

It saves work and decides nothing: without it the next backup copies everything again. An object is written down when
the place has it, so that a backup that was killed half-way is not begun anew. It holds no key that opens anything.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from node.canonical import digest_of
from node.clock import Micros
from node.errors import Conflict
from node.keys.private_files import make_private_folder, write_private
from node.names import Digest
from ops.backup.manifest import FileEntry, Object, Spot

MEMORY = "backup"
"""The folder of a state folder where it lies."""


@contextmanager
def alone(state: Path) -> Iterator[Path]:
    """Give the folder of what a node remembers of places, to one who makes or removes backups at a time.

    Raises
    ------
    Conflict
        Somebody does.
    """
    folder = state / MEMORY
    make_private_folder(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                "Making or removing backups was refused: another one of this node runs. Wait until it has ended."
            ) from error
        yield folder
    finally:
        os.close(descriptor)


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    object: Object
    pieces: dict[Digest, tuple[int, int]]
    """Offset in the object's content, and bytes."""


class _Last(msgspec.Struct, frozen=True, kw_only=True):
    manifest: str
    at: Micros
    files: tuple[FileEntry, ...]


def is_remembered(folder: Path, place: str) -> bool:
    """Say whether anything was ever put to a place from here."""
    return any(folder.glob(f"{digest_of(place)[:16]}-*"))


class Known:
    """The memory of one place, in a folder of the state folder; for one backup at a time."""

    def __init__(self, folder: Path, place: str, key_id: str) -> None:
        """Read it; another place, or another backup key, is another memory."""
        stem = f"{digest_of(place)[:16]}-{key_id}"
        self._pieces_file = folder / f"{stem}.pieces"
        self._last_file = folder / f"{stem}.files"
        self.objects: dict[Digest, Object] = {}
        self.pieces: dict[Digest, Spot] = {}
        for line in self._lines():
            self._take(line)
        last = self._read_last()
        self.manifest = last.manifest
        self.at = last.at
        self.files = {entry.path: entry for entry in last.files}

    def add(self, object_: Object, pieces: dict[Digest, tuple[int, int]]) -> None:
        """Write down that the place has an object, and what is in it."""
        line = _Line(object=object_, pieces=pieces)
        with self._pieces_file.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(line)

    def keep_only(self, names: Iterable[Digest]) -> None:
        """Forget objects that the place does not have."""
        there = set(names)
        self.objects = {name: one for name, one in self.objects.items() if name in there}
        self.pieces = {piece: spot for piece, spot in self.pieces.items() if spot.object in there}

    def has(self, entry: FileEntry) -> bool:
        """Say whether all pieces of a file lie at the place."""
        return all(piece.digest in self.pieces for piece in entry.pieces)

    def finish(self, manifest: Digest, at: Micros, *, files: Iterable[FileEntry]) -> None:
        """Remember a backup that counts, and forget what it does not need."""
        kept = tuple(files)
        needed = {piece.digest for entry in kept for piece in entry.pieces}
        held: dict[Digest, dict[Digest, tuple[int, int]]] = {}
        for digest in needed:
            spot = self.pieces[digest]
            held.setdefault(spot.object, {})[digest] = (spot.offset, spot.bytes)
        lines = [_Line(object=self.objects[name], pieces=pieces) for name, pieces in held.items()]
        write_private(self._pieces_file, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        write_private(self._last_file, msgspec.json.encode(_Last(manifest=manifest, at=at, files=kept)))

    def adopt(
        self, objects: dict[Digest, Object], pieces: dict[Digest, Spot], *, files: Iterable[FileEntry]
    ) -> None:
        """Take over what a backup at this place says, as after a restore from it."""
        self.objects, self.pieces = dict(objects), dict(pieces)
        self.files = {entry.path: entry for entry in files}

    def _take(self, line: _Line) -> None:
        self.objects[line.object.name] = line.object
        for digest, (offset, size) in line.pieces.items():
            self.pieces[digest] = Spot(line.object.name, offset, size)

    def _lines(self) -> list[_Line]:
        """Read what was written down; the last line of a process that was killed may be torn."""
        lines: list[_Line] = []
        raw = self._pieces_file.read_bytes() if self._pieces_file.exists() else b""
        for text in raw.splitlines():
            try:
                lines.append(msgspec.json.decode(text, type=_Line))
            except msgspec.DecodeError:
                continue
        return lines

    def _read_last(self) -> _Last:
        try:
            return msgspec.json.decode(self._last_file.read_bytes(), type=_Last)
        except (FileNotFoundError, msgspec.DecodeError):
            return _Last(manifest="", at=0, files=())
