"""A part: some instances of one study on their way to one peer, as received, in a sealed ZIP.

Inside: ``manifest.json``, then DICOM files, stored, that any viewer opens. At most
64 MiB, or one instance if a single one is larger. Everything is streamed; a part
is never whole in memory, on either side.

Source: DICOM PS3.10 7.1 (file format), APPNOTE.TXT of ZIP 4.3 (data descriptors, since nothing is written twice).
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from node.canonical import canonical_json, digest_of
from node.clock import Micros
from node.errors import Damaged, NotFound
from node.keys.sealed import CHUNK_BYTES, SealedFile, SealedReader, SealedWriter
from node.names import Digest, NodeId, StudyUID
from node.store.facts import Location
from node.store.packs import PREAMBLE, Packs

VERSION = 1
PART_BYTES = 64 << 20
MANIFEST = "manifest.json"
MEMBERS_LIMIT = 20_000
_MANIFEST_LIMIT_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An instance in a part, with what only its first association knew."""

    sop_class: str
    sop_uid: str
    digest: Digest
    """Of the data set, without file meta."""
    transfer_syntax: str
    meta_bytes: int
    data_bytes: int
    received_at: Micros
    """At its origin: the order in which contents of one instance came, so that both nodes agree on it."""
    calling: str
    called: str
    issuer: str
    trust_issuer: bool
    department: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a part says of itself; member n is the file ``n.dcm``, six digits, from 000001."""

    v: int
    origin: NodeId
    study_uid: StudyUID
    k: int
    members: tuple[Member, ...]

    def encode(self) -> bytes:
        return canonical_json(msgspec.to_builtins(self)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPart:
    """A part on disk."""

    file: SealedFile
    manifest_digest: Digest


def seal_part(
    packs: Packs, manifest: Manifest, locations: Sequence[Location], *, directory: Path
) -> SealedPart:
    """Write instances straight from their packs into a sealed file named by its digest.

    Raises
    ------
    Damaged
        An instance's bytes are not those of its digest; the message names the pack.
    NotFound
        A pack is not here; the rows that the locations are from are to be looked up once more.
    Unavailable
        The disk is full or failing.
    """
    listed = manifest.encode()
    with SealedWriter(directory, named_by_digest=True) as writer:
        with zipfile.ZipFile(_Stream(writer), "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(MANIFEST), listed)
            for n, (member, location) in enumerate(zip(manifest.members, locations, strict=True), start=1):
                _write_member(archive, n, packs, member=member, location=location)
        return SealedPart(file=writer.finish(), manifest_digest=digest_of(listed))


class OpenPart:
    """A received part whose manifest is the one that was announced; gives its instances one by one."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._archive = archive
        self.manifest = manifest

    def check(self) -> None:
        """Read every instance once and compare its digest, before any is stored.

        Raises
        ------
        Damaged
            One is not what the manifest says.
        """
        for n, member in enumerate(self.manifest.members, start=1):
            hash_ = hashlib.sha256()
            for chunk in self.data_set(n):
                hash_.update(chunk)
            if hash_.hexdigest() != member.digest:
                raise Damaged(
                    f"Opening part {self.manifest.k} failed: instance {n} is not what its manifest says."
                )

    def file_meta(self, n: int) -> bytes:
        """Give group 0002 of member n, as received."""
        with _as_damaged(self.manifest.k), self._archive.open(_name(n)) as file:
            file.read(len(PREAMBLE))
            return file.read(self.manifest.members[n - 1].meta_bytes)

    def data_set(self, n: int) -> Iterator[bytes]:
        """Give the data set of member n in chunks."""
        with _as_damaged(self.manifest.k), self._archive.open(_name(n)) as file:
            file.read(len(PREAMBLE) + self.manifest.members[n - 1].meta_bytes)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


@contextmanager
def open_part(path: Path, key: str, *, manifest_digest: str) -> Iterator[OpenPart]:
    """Open a sealed part and read its manifest.

    Raises
    ------
    Damaged
        The file, the archive or the manifest is not what was offered.
    """
    with SealedReader(path, key) as sealed, io.BufferedReader(sealed, CHUNK_BYTES) as reader:
        with _as_damaged(0):
            archive = zipfile.ZipFile(reader)
        with archive:
            with _as_damaged(0):
                info = archive.getinfo(MANIFEST)
                if info.file_size > _MANIFEST_LIMIT_BYTES:
                    raise Damaged("Opening a part failed: its manifest is too large. Let it be sent again.")
                listed = archive.read(info)
            if digest_of(listed) != manifest_digest:
                raise Damaged("Opening a part failed: its manifest is not the one that was offered.")
            manifest = _read_manifest(listed)
            for n, member in enumerate(manifest.members, start=1):
                _check_member(archive, n, member)
            yield OpenPart(archive, manifest)


def _read_manifest(listed: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(listed, type=Manifest)
    except msgspec.DecodeError as error:
        raise Damaged(f"Reading a part's manifest failed ({error}): let it be sent again.") from error
    if manifest.v != VERSION or len(manifest.members) > MEMBERS_LIMIT:
        raise Damaged("Reading a part's manifest failed: another version wrote it. Update this node.")
    return manifest


def _check_member(archive: zipfile.ZipFile, n: int, member: Member) -> None:
    with _as_damaged(0):
        info = archive.getinfo(_name(n))
    expected = len(PREAMBLE) + member.meta_bytes + member.data_bytes
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != expected:
        raise Damaged(f"Opening a part failed: instance {n} has another size than its manifest says.")


def _write_member(
    archive: zipfile.ZipFile, n: int, packs: Packs, *, member: Member, location: Location
) -> None:
    info = zipfile.ZipInfo(_name(n))
    info.file_size = len(PREAMBLE) + location.meta_bytes + location.data_bytes
    hash_ = hashlib.sha256()
    with archive.open(info, "w") as file, _reading(packs, location) as pack:
        pack.seek(location.data_offset - location.meta_bytes)
        file.write(PREAMBLE + pack.read(location.meta_bytes))
        left = location.data_bytes
        while left and (chunk := pack.read(min(CHUNK_BYTES, left))):
            hash_.update(chunk)
            file.write(chunk)
            left -= len(chunk)
    if hash_.hexdigest() != member.digest:
        raise Damaged(
            f"Sealing a part failed: the record at byte {location.offset} of pack {location.pack} is not what was"
            " received. Run 'meridian verify'."
        )


@contextmanager
def _reading(packs: Packs, location: Location) -> Iterator[BinaryIO]:
    try:
        pack = packs.path(location.pack).open("rb")
    except FileNotFoundError as error:
        raise NotFound(
            f"Sealing a part failed: pack {location.pack} is not here. Look its row up once more."
        ) from error
    except OSError as error:
        raise Damaged(
            f"Sealing a part failed: pack {location.pack} cannot be read ({error.strerror}). Restore it."
        ) from error
    with pack:
        yield pack


def _name(n: int) -> str:
    return f"{n:06d}.dcm"


@contextmanager
def _as_damaged(k: int) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        part = f"part {k}" if k else "a part"
        raise Damaged(f"Opening {part} failed ({error}): its archive is not whole. Send it again.") from error


class _Stream:
    """What `zipfile` needs of a file that it only ever appends to."""

    def __init__(self, writer: SealedWriter) -> None:
        self._writer = writer

    def write(self, content: bytes) -> int:
        return self._writer.write(content)

    def flush(self) -> None:
        """Nothing: the writer syncs when it finishes."""

    def close(self) -> None:
        """Nothing: whoever opened the writer finishes it."""
