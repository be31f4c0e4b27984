"""Where backups lie: two archive stores side by side, one of sealed objects, one of manifests.

Whatever is put is named by its digest, manifests too: which is the newest, their own words say. So nothing at the place is
ever written over, no list can be torn by a crash, and the port of archive stores needs no name of any other kind. A
backup is there when its manifest is, and that is put last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from node.archive.stores.port import ArchiveStore, Stored
from node.canonical import digest_of
from node.errors import Damaged, NotFound
from node.names import Digest
from ops.backup.manifest import Signed, read_manifest

_PIECE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place of backups; whoever opened it closes it."""

    label: str
    """As whoever asked wrote it."""
    objects: ArchiveStore
    manifests: ArchiveStore

    def put(self, name: Digest, file: Path) -> None:
        """Keep a file under its digest; when this returns, a power cut does not take it."""
        self.objects.put(name, file)

    def put_manifest(self, raw: bytes, work: Path) -> Digest:
        """Let a backup count from here on."""
        name = digest_of(raw)
        file = work / f"{name}.manifest"
        file.write_bytes(raw)
        try:
            self.manifests.put(name, file)
        finally:
            file.unlink()
        return name

    def fetch(self, name: Digest, target: Path) -> None:
        """Bring an object here, whole.

        Raises
        ------
        Damaged
            It is not at the place any more, or its bytes are not what was put.
        """
        hash_ = hashlib.sha256()
        with target.open("wb") as file:
            for piece in self._pieces(name):
                hash_.update(piece)
                file.write(piece)
        if hash_.hexdigest() != name:
            raise _altered(name)

    def check(self, name: Digest) -> None:
        """Read an object and hold it against its name; raises as `fetch` does."""
        hash_ = hashlib.sha256()
        for piece in self._pieces(name):
            hash_.update(piece)
        if hash_.hexdigest() != name:
            raise _altered(name)

    def read(self, name: Digest) -> bytes:
        """Give an object that is small; raises as `fetch` does."""
        raw = b"".join(self._pieces(name))
        if digest_of(raw) != name:
            raise _altered(name)
        return raw

    def backups(self) -> list[Signed]:
        """Give all backups, newest first.

        Raises
        ------
        Damaged
            A manifest is not as it was signed.
        """
        found = [self._manifest(name) for name in self.manifests.names()]
        return sorted(found, key=lambda one: (one.manifest.at, one.name), reverse=True)

    def backup(self, beginning: str = "") -> Signed:
        """Give the backup whose name begins so, or the newest.

        Raises
        ------
        NotFound
            There is none.
        """
        for name in self.manifests.names() if beginning else ():
            if name.startswith(beginning):
                return self._manifest(name)
        found = [] if beginning else self.backups()
        if not found:
            raise NotFound(
                f"Looking for a backup failed: there is none{f' called {beginning}' if beginning else ''} at {self.label}."
            )
        return found[0]

    def close(self) -> None:
        """Let go of both stores."""
        self.objects.close()
        self.manifests.close()

    def _manifest(self, name: Digest) -> Signed:
        stored = Stored(package=name, stored_name=name, size_bytes=0)
        with closing(self.manifests.open(stored)) as file:
            raw = file.read_at(0, file.size)
        if digest_of(raw) != name:
            raise Damaged(
                f"Reading manifest {name[:16]} failed: its bytes were altered. Take an earlier backup."
            )
        return read_manifest(raw)

    def _pieces(self, name: Digest) -> Iterator[bytes]:
        stored = Stored(package=name, stored_name=name, size_bytes=0)
        try:
            file = self.objects.open(stored)
        except NotFound as error:
            raise Damaged(
                f"Reading object {name[:16]} of a backup failed: it is not at {self.label} any more. Take an earlier backup."
            ) from error
        with closing(file):
            for at in range(0, file.size, _PIECE_BYTES):
                yield file.read_at(at, min(_PIECE_BYTES, file.size - at))


def _altered(name: Digest) -> Damaged:
    return Damaged(
        f"Reading object {name[:16]} of a backup failed: its bytes were altered. Take an earlier backup."
    )
