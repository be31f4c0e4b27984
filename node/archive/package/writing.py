"""A package made of a study's instances, and not believed before all of it was turned back.

Instances are coded by several processes at once, and put into the file in order. The file gets its digest; then
processes that did not write it read it again: each member is turned back, and what comes out must have the digest that the
catalogue has of the data set, and the file meta that the pack has. A member that does not come back is written
once more as received; what then does not agree is damaged at its source, and there is no package.

The file is no copy of the study and is not synced: it goes when stores have it. A store takes only bytes of that digest,
syncs them, and gives them back from its medium before they count (`node.archive.stores.verifying`).
"""

from __future__ import annotations

import hashlib
import lzma
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import msgspec
from isal.isal_zlib import crc32

from node.archive.package.manifest import (
    ARRIVALS,
    FORMAT,
    MANIFEST,
    MOST_INSTANCES,
    ORIGINALS,
    VERSION,
    Block,
    Instance,
    Manifest,
    Place,
    Series,
    member_name,
)
from node.archive.package.reading import Package
from node.archive.package.requests import Code, Coded, Done, Profile, TurnBack
from node.archive.package.source import FileSource
from node.archive.package.stream import DEFLATED, STORED
from node.archive.package.workers import Ask, Workers
from node.archive.package.zip64 import Listed, directory, local_header
from node.clock import Micros
from node.errors import Damaged, InvalidRequest, Unavailable
from node.failpoints import planted
from node.imaging.codec_process import Died
from node.names import Digest, NodeId, SeriesUID, SOPClassUID, SOPInstanceUID, StudyUID

BLOCK_RECORDS = 1000
BLOCK_BYTES = 8 << 20
"""Records are compressed together up to so many, so that one is had without all others."""
_PRESET = 6
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """An instance to archive, and where it lies."""

    pack: Path
    offset: int
    """Of its file meta; the data set follows."""
    meta_bytes: int
    data_bytes: int
    digest: Digest
    """Of the data set, as the catalogue has it."""
    transfer_syntax: str
    series_uid: SeriesUID
    sop_class: SOPClassUID
    sop_uid: SOPInstanceUID
    number: int | None
    state: str
    arrival: bytes
    """What was known of its arrival, one line of JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What a package is made of."""

    origin: NodeId
    study_uid: StudyUID
    generation: int
    originals: Sequence[Original]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A package of which all came back."""

    path: Path
    digest: Digest
    """SHA-256 of the file."""
    size_bytes: int
    manifest: Manifest


def make_package(
    study: Study, folder: Path, workers: Workers, *, profile: Profile, now: Micros, made_by: str
) -> Made:
    """Write a package into a folder, under the name of its digest; it is to be put into a store before it counts.

    Raises
    ------
    Damaged
        An original is not what the catalogue says; the message names its pack.
    FileNotFoundError
        A pack is gone: its row is to be looked up once more.
    Unavailable
        The disk is full or failing.
    """
    if not 0 < len(study.originals) <= MOST_INSTANCES:
        raise InvalidRequest(
            f"Archiving was refused: a package holds 1 to {MOST_INSTANCES} instances. Divide the study."
        )
    study = replace(study, originals=sorted(study.originals, key=_order))
    path = folder / f"{study.study_uid}.{os.getpid()}.part"
    kept: dict[int, str] = {}
    try:
        while True:
            draft = _write(study, path, workers, kept, profile=profile, now=now, made_by=made_by)
            digest, size = _digest_of(path)
            failed = _read_back(study, path, draft, workers)
            if not failed.keys() - kept.keys():
                break
            kept |= failed
        if failed:
            raise _damaged_source(study.originals[next(iter(failed))])
        target = folder / f"{digest}.zip"
        path.rename(target)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise Unavailable(
            f"Archiving a study failed ({error.strerror}): the disk does not take it. Free some space, try again."
        ) from error
    finally:
        path.unlink(missing_ok=True)
    return Made(path=target, digest=digest, size_bytes=size, manifest=draft)


def _order(original: Original) -> tuple[str, str, str, int, str, str]:
    number = original.number if original.number is not None else 1 << 40
    return (
        original.series_uid, original.sop_class, original.transfer_syntax, number, original.sop_uid, original.digest,
    )  # fmt: skip


@dataclass(slots=True)
class _Draft:
    """A package as it grows."""

    descriptor: int
    at: int = 0
    members: list[Listed] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    waiting: list[bytes] = field(default_factory=list)
    waiting_bytes: int = 0
    first: int = 1

    def add(self, original: Original, coded: Coded, record: bytes, content: Path) -> None:
        """Put the next member in."""
        name = member_name(len(self.instances) + 1)
        begin = self._head(name, coded.method, coded.crc, coded.size, coded.stored)
        _copy(content, self.descriptor, self.at, coded.stored)
        self.at += coded.stored
        places = [Place(begin + place.at, place.size, place.crc, place.how) for place in coded.places]
        self.instances.append(
            Instance(
                sop_uid=original.sop_uid,
                digest=original.digest,
                meta_bytes=original.meta_bytes,
                data_bytes=original.data_bytes,
                member=coded.digest,
                places=places,
                beginning=coded.beginning,
                syntax=coded.syntax,
                kept=coded.kept,
                number=original.number,
                state=original.state,
            )
        )
        self.waiting.append(struct.pack("<L", len(record)) + record)
        self.waiting_bytes += len(record)
        if len(self.waiting) == BLOCK_RECORDS or self.waiting_bytes > BLOCK_BYTES:
            self._close_block()

    def small(self, name: str, content: bytes, *, deflated: bool) -> None:
        """Put a member in that is in memory."""
        packed = _deflated(content) if deflated else content
        self._head(name, DEFLATED if deflated else STORED, crc32(content), len(content), len(packed))
        _write_at(self.descriptor, packed, self.at)
        self.at += len(packed)

    def originals(self) -> bytes:
        """Give the content of ``originals.xz``."""
        self._close_block()
        return b"".join(self.records)

    def end(self) -> None:
        """Write the directory."""
        _write_at(self.descriptor, directory(self.members, self.at), self.at)

    def _close_block(self) -> None:
        if any(len(record) > 4 for record in self.waiting):
            packed = lzma.compress(b"".join(self.waiting), preset=_PRESET)
            offset = sum(map(len, self.records))
            self.blocks.append(Block(self.first, len(self.waiting), offset, len(packed)))
            self.records.append(packed)
        self.first += len(self.waiting)
        self.waiting, self.waiting_bytes = [], 0

    def _head(self, name: str, method: int, crc: int, size: int, stored: int) -> int:
        self.members.append(Listed(name=name, method=method, crc=crc, size=size, stored=stored, at=self.at))
        head = local_header(name, method=method, crc=crc, size=size, stored=stored)
        _write_at(self.descriptor, head, self.at)
        self.at += len(head)
        return self.at


def _write(
    study: Study,
    path: Path,
    workers: Workers,
    kept: dict[int, str],
    *,
    profile: Profile,
    now: Micros,
    made_by: str,
) -> Manifest:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        draft = _Draft(descriptor)
        work = partial(_code, study, path, kept, profile)
        for n, made in enumerate(workers.map(range(len(study.originals)), work)):
            coded, record = made
            content = _content(path, n)
            draft.add(study.originals[n], coded, record, content)
            content.unlink()
        originals = draft.originals()
        arrivals = b"".join(each.arrival + b"\n" for each in study.originals)
        draft.small(ORIGINALS, originals, deflated=False)
        draft.small(ARRIVALS, arrivals, deflated=True)
        manifest = Manifest(
            format=FORMAT,
            version=VERSION,
            origin=study.origin,
            study_uid=study.study_uid,
            generation=study.generation,
            made_at=now,
            made_by=made_by,
            series=list(_series(study.originals, draft.instances)),
            originals=draft.blocks,
            originals_digest=Digest(hashlib.sha256(originals).hexdigest()),
            arrivals_digest=Digest(hashlib.sha256(arrivals).hexdigest()),
        )
        draft.small(MANIFEST, manifest.encode(), deflated=True)
        draft.end()
    finally:
        os.close(descriptor)
        for n in range(len(study.originals)):
            _content(path, n).unlink(missing_ok=True)
    return manifest


def _code(
    study: Study,
    path: Path,
    kept: dict[int, str],
    profile: Profile,
    n: int,
    ask: Ask,
) -> tuple[Coded, bytes]:
    original = study.originals[n]
    request = Code(
        pack=str(original.pack),
        offset=original.offset,
        meta_bytes=original.meta_bytes,
        data_bytes=original.data_bytes,
        transfer_syntax=original.transfer_syntax,
        profile=profile,
        sink=str(_content(path, n)),
        kept=kept.get(n, ""),
    )
    try:
        done, record = ask(request, b"")
    except Died:
        # The codec ran out of memory or time, or ended its process: a strange file must not stop the study.
        done, record = _kept(request, ask)
    if done.gone:
        raise FileNotFoundError(original.pack)
    if done.coded is None:
        raise Unavailable(done.refused)
    return done.coded, record


def _kept(request: Code, ask: Ask) -> tuple[Done, bytes]:
    try:
        return ask(msgspec.structs.replace(request, kept="what coded it ended"), b"")
    except Died as error:
        raise Unavailable(
            "Archiving a study was put off: a process that only copies an instance ended. Give the machine memory,"
            " try again."
        ) from error


def _read_back(study: Study, path: Path, manifest: Manifest, workers: Workers) -> dict[int, str]:
    """Turn every member back; give those that do not agree, and why."""
    source = FileSource(path)
    try:
        package = Package(source)
        if package.manifest != manifest:
            raise Damaged("Archiving a study failed: its manifest does not come back. Check the disk.")
        package.check_originals()
        if [each.arrival for each in study.originals] != package.arrivals():
            raise Damaged(
                "Archiving a study failed: what was known of arrivals does not come back. Check the disk."
            )
        work = partial(_turn_back, study, package, path)
        found = workers.map(range(len(study.originals)), work)
        return {n: why for n, why in enumerate(found) if why}
    finally:
        source.close()


def _turn_back(
    study: Study,
    package: Package,
    path: Path,
    n: int,
    ask: Ask,
) -> str:
    original, instance = study.originals[n], package.instance(n + 1)
    at, method, size, stored = package.content(n + 1)
    request = TurnBack(
        package=str(path), at=at, method=method, size=size, stored=stored, meta_bytes=original.meta_bytes
    )
    try:
        done, _ = ask(request, package.record(n + 1))
    except Died:
        return "what turned it back ended"
    if done.refused:
        return "it does not come back"
    same = (
        done.member == instance.member
        and done.digest == original.digest
        and done.meta == _meta_digest(original)
    )
    return "" if same or planted("verify-nothing") else "it comes back otherwise"


def _meta_digest(original: Original) -> str:
    descriptor = os.open(original.pack, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return hashlib.sha256(os.pread(descriptor, original.meta_bytes, original.offset)).hexdigest()
    finally:
        os.close(descriptor)


def _damaged_source(original: Original) -> Damaged:
    return Damaged(
        f"Archiving a study failed: the record at byte {original.offset} of pack {original.pack.name} is not what was"
        " received. Run 'meridian verify'."
    )


def _series(originals: Sequence[Original], instances: Sequence[Instance]) -> Iterator[Series]:
    """Gather instances that share what stands once."""
    shared, alike = None, list[Instance]()
    for original, instance in zip(originals, instances, strict=True):
        this = (original.series_uid, original.sop_class, original.transfer_syntax)
        if this != shared and shared is not None:
            yield Series(
                series_uid=shared[0], sop_class=shared[1], transfer_syntax=shared[2], instances=alike
            )
            alike = []
        shared = this
        alike.append(instance)
    if shared is not None:
        yield Series(series_uid=shared[0], sop_class=shared[1], transfer_syntax=shared[2], instances=alike)


def _content(path: Path, n: int) -> Path:
    return path.with_suffix(f".{n}")


def _copy(source: Path, target: int, at: int, length: int) -> None:
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        done = 0
        while done < length:
            count = os.copy_file_range(descriptor, target, length - done, done, at + done)
            if not count:
                raise Unavailable("Archiving a study failed: a member was cut off. Try again.")
            done += count
    finally:
        os.close(descriptor)


def _write_at(descriptor: int, content: bytes, at: int) -> None:
    view = memoryview(content)
    while view:
        count = os.pwrite(descriptor, view, at)
        view, at = view[count:], at + count


def _deflated(content: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(content) + deflate.flush()


def _digest_of(path: Path) -> tuple[Digest, int]:
    hash_, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            hash_.update(chunk)
            size += len(chunk)
    return Digest(hash_.hexdigest()), size
