"""Packs: the online tier, and the write-ahead log of instances.

Through this an instance is stored (`open_writer`), found by the index
(`landing`, `marked`) and read (`read_data_set`, `read_file`, `path`). It knows
nothing of the catalogue: what a record means to a study is `node.catalogue`'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from node.canonical import canonical_json
from node.clock import Clock, Micros
from node.errors import Damaged, Defect, GridError, Unavailable
from node.failpoints import planted
from node.names import Cause, Digest, NodeId, StudyUID
from node.store.descriptors import Descriptor, Descriptors
from node.store.directory import PackDirectory
from node.store.pack_file import Bytes, PackFile, Placed
from node.store.reading import Found, digest_at, look, read_at
from node.store.record import DIGEST_BYTES, Foreign, data_digest, read_end
from node.store.recovery import Recovered, recover_pack

PREAMBLE = bytes(128) + b"DICM"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationFacts:
    """What only the association knew about an instance, kept beside its bytes."""

    calling: str
    called: str
    address: str
    certificate: str
    """Digest of the sender's certificate; empty without TLS."""
    rule: str
    """The admission rule that let it in, ``CALLING@ADDRESS``; empty at other doors."""
    rule_version: int
    issuer: str
    trust_issuer: bool
    department: str
    transfer_syntax: str
    received_at: Micros
    origin: NodeId
    study_uid: StudyUID
    door: str
    """``dicom``, ``peer``, ``report`` or ``import``."""
    cause: Cause
    """One for all instances of an association, part or import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a record's bytes lie; file meta stands straight before the data set."""

    pack: str
    offset: int
    """Of the record."""
    meta_bytes: int
    data_offset: int
    data_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An instance is on disk, synced and marked."""

    location: Location
    digest: Digest
    """Of the data set, without file meta."""
    next_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedRecord:
    """A record that a live reader may believe."""

    location: Location
    facts: AssociationFacts
    sop_class: str
    sop_uid: str
    digest: Digest
    next_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryReport:
    """What `Packs.recover` found and did."""

    packs: int
    marked: int
    cut_bytes: int
    damaged: tuple[str, ...]
    """One sentence a pack that was left as it is; for the administrator."""


def index_cursor(pack: str) -> str:
    """Give the name of the cursor that says up to which offset the index has registered a pack."""
    return f"index/{pack}"


class Packs:
    """All packs of a node, as one of its processes sees them."""

    def __init__(
        self, directory: Path, clock: Clock, roll_bytes: int, reserve_bytes: int, *, writer: str = "node"
    ) -> None:
        """Open the folder of packs.

        Parameters
        ----------
        roll_bytes
            A pack that has grown past this is ended, and the next instance begins another.
        reserve_bytes
            Free space that no instance may take.
        writer
            The kind of process that writes here; only its own kind recovers its packs.
        """
        self._directory = PackDirectory(directory, clock, writer)
        self._clock = clock
        self._roll_bytes = roll_bytes
        self._reserve_bytes = reserve_bytes
        self._descriptors = Descriptors()

    def open_writer(self, *, study_uid: str, cause: Cause) -> PackWriter:
        """Give a writer for the instances of one study from one association, part or import."""
        return PackWriter(
            self, self._directory, self._clock, study_uid=study_uid, cause=cause, roll_bytes=self._roll_bytes
        )

    def recover(self) -> RecoveryReport:
        """Make whole what a crash left; call before the first writer opens.

        Packs of other kinds of writers, and those whose writer lives, are left alone.
        """
        found: list[Recovered] = []
        damaged: list[str] = []
        for name in self._directory.own_landing():
            try:
                recovered = self._recover(name)
            except (OSError, GridError) as error:
                damaged.append(
                    f"pack {name}: recovering it failed ({error}). Check the disk, then start again."
                )
                continue
            if recovered is not None:
                found.append(recovered)
                if recovered.damage:
                    damaged.append(f"pack {name}: {recovered.damage}")
        return RecoveryReport(
            packs=len(found),
            marked=sum(one.marked for one in found),
            cut_bytes=sum(one.cut_bytes for one in found),
            damaged=tuple(damaged),
        )

    def names(self) -> list[str]:
        """Give all packs, each kind of writer's oldest first."""
        return self._directory.names()

    def landing(self) -> list[str]:
        """Give the packs that the index may not have caught up with; few, however many there are in all."""
        return self._directory.landing()

    def landed(self, pack: str) -> None:
        """Say that every record of a finished pack is registered; it leaves `landing`."""
        self._directory.landed(pack)

    def is_finished(self, pack: str, offset: int) -> bool:
        """Say whether a pack's end record stands at this offset: nothing more will come."""
        descriptor = self._open(pack)
        found = _look(pack, descriptor, offset)
        return found is not None and found.marked and found.agrees and found.header.is_end

    def marked(self, pack: str, from_offset: int) -> Iterator[MarkedRecord]:
        """Give the records from an offset on that may be believed, up to the end or the first without its mark.

        Their heads are checked against their digests, their data sets are not: that is `check`.

        Raises
        ------
        Damaged
            A byte is not what was written, or the pack is cut off.
        """
        descriptor = self._open(pack)
        offset, records = from_offset, 0
        while True:
            landing = self._directory.is_landing(pack)
            # The size before the mark: were it the other way round, a mark and a record written in between would
            # look like a record whose mark was altered.
            size = os.fstat(descriptor.number).st_size
            found = _look(pack, descriptor, offset, size)
            if found is None or not found.marked:
                if found is not None and size > found.next_offset:
                    raise _damaged(pack, offset, "its end mark was altered")
                if not landing and size:
                    raise _damaged(
                        pack, offset, "the pack breaks off, or the lengths of a record were altered"
                    )
                return
            if not found.agrees:
                raise _damaged(pack, offset, "its head was altered")
            if found.header.is_end:
                end = read_end(found.facts)
                if end.size_bytes != offset or (from_offset == 0 and end.records != records):
                    raise _damaged(pack, offset, f"{end.records} records were written, {records} are left")
                return
            yield _record(pack, found)
            offset, records = found.next_offset, records + 1

    def read_data_set(self, location: Location) -> bytes:
        """Give the data set as it arrived; raises `Damaged` when the pack is too short for it."""
        return self._read(location, location.data_offset, location.data_bytes)

    def read_file(self, location: Location) -> bytes:
        """Give the instance as a DICOM file.

        Source: DICOM PS3.10 7.1.
        """
        begin = location.data_offset - location.meta_bytes
        return PREAMBLE + self._read(location, begin, location.meta_bytes + location.data_bytes)

    def check(self, location: Location) -> Digest:
        """Read a whole record and give its data set's digest.

        Raises
        ------
        Damaged
            A byte is not what was written; names the pack, the record and the part.
        """
        descriptor = self._open(location.pack)
        found = _look(location.pack, descriptor, location.offset)
        if found is None:
            raise _damaged(location.pack, location.offset, "its header was altered, or the pack is cut off")
        if not found.agrees:
            raise _damaged(location.pack, location.offset, "its head was altered")
        if _location(location.pack, found) != location:
            raise _damaged(location.pack, location.offset, "it is not the record that the catalogue means")
        digest = digest_at(descriptor.number, location.data_offset, location.data_bytes)
        if digest != found.trailing[:DIGEST_BYTES] and not planted("hash-not-compared"):
            raise _damaged(location.pack, location.offset, "its data set was altered")
        if not found.marked:
            raise _damaged(location.pack, location.offset, "its end mark was altered")
        return data_digest(found.trailing)

    def path(self, pack: str) -> Path:
        """Give where a pack lies, for `sendfile` and `pread`; it never changes below its marks."""
        return self._directory.path(pack)

    @property
    def directory(self) -> PackDirectory:
        """The folder itself; for `merging` and whoever unlinks what was merged."""
        return self._directory

    def forget(self, pack: str) -> None:
        """Let go of a pack that is about to vanish, so that its bytes are given back."""
        self._descriptors.forget(self._directory.path(pack))

    def check_room(self, incoming_bytes: int) -> None:
        """Refuse what would eat into the reserve of the disk.

        Raises
        ------
        Unavailable
            Too little would be left.
        """
        if self._directory.free_bytes() - incoming_bytes < self._reserve_bytes:
            raise Unavailable(
                "Storing an instance was refused: the disk is full up to its reserve of"
                f" {self._reserve_bytes >> 20} MB. Free some space, then send again."
            )

    def _recover(self, name: str) -> Recovered | None:
        """Recover one pack; None when it is somebody's, or gone."""
        descriptor = self._directory.claim(name)
        if descriptor is None:
            return None
        try:
            recovered = recover_pack(descriptor, self._clock.now())
            if not recovered.records and not recovered.damage:
                self._directory.discard(name)
            return recovered
        finally:
            os.close(descriptor)

    def _open(self, pack: str) -> Descriptor:
        return self._descriptors.get(self._directory.path(pack))

    def _read(self, location: Location, offset: int, size: int) -> bytes:
        raw = read_at(self._open(location.pack).number, offset, size)
        if len(raw) != size:
            raise _damaged(location.pack, location.offset, "the pack is cut off")
        return raw


class PackWriter:
    """Stores instances of one study in packs of their own; for one thread."""

    def __init__(
        self,
        packs: Packs,
        directory: PackDirectory,
        clock: Clock,
        *,
        study_uid: str,
        cause: Cause,
        roll_bytes: int,
    ) -> None:
        self._packs = packs
        self._directory = directory
        self._clock = clock
        self._study_uid = study_uid
        self._cause = cause
        self._roll_bytes = roll_bytes
        self._file: PackFile | None = None

    def append(
        self,
        facts: AssociationFacts,
        *,
        sop_class: str,
        sop_uid: str,
        file_meta: bytes,
        data_set: Bytes | Iterable[Bytes],
        digest: bytes | None = None,
    ) -> Stored:
        """Store an instance; when this returns, it is written, synced and marked.

        Parameters
        ----------
        file_meta
            Group 0002, without preamble.
        data_set, digest
            The bytes, or chunks of them, which are then held one at a time; and their SHA-256 if it is known.

        Raises
        ------
        Unavailable
            The disk is full, or failed. Nothing of the instance remains, and the next one gets a new pack.
        """
        file, entry = self._ready(facts, sop_class, sop_uid)
        room = self._packs.check_room
        placed = file.append(entry, file_meta, data_set=data_set, room=room, digest=digest)
        return _stored(file, placed, file_meta)

    def begin(self, facts: AssociationFacts, *, sop_class: str, sop_uid: str, file_meta: bytes) -> Growing:
        """Begin to store an instance of unknown length, one at a time; raises as `append` does."""
        file, entry = self._ready(facts, sop_class, sop_uid)
        file.begin(entry, file_meta)
        return Growing(file, file_meta, self._packs.check_room)

    def close(self) -> None:
        """End the pack; what was stored is safe without it."""
        if self._file is not None:
            self._file.close(self._clock.now())
            self._file = None

    def _ready(self, facts: AssociationFacts, sop_class: str, sop_uid: str) -> tuple[PackFile, bytes]:
        if (facts.study_uid, facts.cause) != (self._study_uid, self._cause):
            raise Defect(
                "Storing an instance was refused: this pack is another study's, or another association's."
            )
        entry = {"facts": msgspec.to_builtins(facts), "sop_class": sop_class, "sop_uid": sop_uid}
        return self._writable(), canonical_json(entry).encode()

    def _writable(self) -> PackFile:
        if self._file is not None and (self._file.broken or self._file.size >= self._roll_bytes):
            self.close()
        if self._file is None:
            self._file = PackFile(self._directory)
        return self._file


class Growing:
    """An instance on its way into a pack: nothing of it counts before `finish`, nothing is left after `drop`."""

    def __init__(self, file: PackFile, file_meta: bytes, room: Callable[[int], None]) -> None:
        self._file, self._file_meta, self._room = file, file_meta, room

    def write(self, chunk: Bytes) -> None:
        """Write the next bytes of the data set; raises as `PackWriter.append` does."""
        self._file.grow(chunk, self._room)

    def look(self) -> AbstractContextManager[memoryview]:
        """Give all that was written of the data set, to be looked through."""
        return self._file.grown()

    def finish(self, digest: bytes) -> Stored:
        """Store it: written, synced and marked when this returns; `digest` is the SHA-256 of the data set."""
        return _stored(self._file, self._file.finish(digest), self._file_meta)

    def drop(self) -> None:
        """Leave nothing of it. Never raises."""
        self._file.cut_back()


class _Entry(msgspec.Struct, frozen=True):
    """The JSON part of an instance's record."""

    facts: AssociationFacts
    sop_class: str
    sop_uid: str


def _stored(file: PackFile, placed: Placed, file_meta: bytes) -> Stored:
    location = Location(
        pack=file.name,
        offset=placed.offset,
        meta_bytes=len(file_meta),
        data_offset=placed.data_offset,
        data_bytes=placed.data_bytes,
    )
    return Stored(location=location, digest=placed.digest, next_offset=file.size)


def _look(pack: str, descriptor: Descriptor, offset: int, size: int | None = None) -> Found | None:
    try:
        whole = os.fstat(descriptor.number).st_size if size is None else size
        return look(descriptor.number, offset, whole)
    except Foreign as error:
        raise Foreign(f"Reading the record at byte {offset} of pack {pack} was refused: {error}") from error


def _record(pack: str, found: Found) -> MarkedRecord:
    try:
        entry = msgspec.json.decode(found.facts, type=_Entry)
    except msgspec.MsgspecError as error:
        raise _damaged(pack, found.offset, f"its facts cannot be read ({error})") from error
    return MarkedRecord(
        location=_location(pack, found),
        facts=entry.facts,
        sop_class=entry.sop_class,
        sop_uid=entry.sop_uid,
        digest=data_digest(found.trailing),
        next_offset=found.next_offset,
    )


def _location(pack: str, found: Found) -> Location:
    return Location(
        pack=pack,
        offset=found.offset,
        meta_bytes=found.header.meta_bytes,
        data_offset=found.data_offset,
        data_bytes=found.header.data_bytes,
    )


def _damaged(pack: str, offset: int, what: str) -> Damaged:
    return Damaged(
        f"Reading the record at byte {offset} of pack {pack} failed: {what}."
        " Fetch the study again from its sender or a peer, or restore the pack from the backup."
    )
