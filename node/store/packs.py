"""Packs: the online tier, and the write-ahead log of instances.

Through this an instance is stored (`open_writer`), found by the index
(`landing`, `marked`) and read (`read_data_set`, `read_file`, `path`). It knows
nothing of the catalogue: what a record means to a study is `node.catalogue`'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from node.clock import Clock
from node.errors import Damaged, GridError, Unavailable
from node.failpoints import planted
from node.names import Cause, Digest
from node.store.descriptors import Descriptor, Descriptors
from node.store.directory import PackDirectory
from node.store.facts import Entry, Location, MarkedRecord
from node.store.reading import Found, digest_at, look, read_at
from node.store.record import DIGEST_BYTES, Foreign, data_digest, read_end
from node.store.recovery import Recovered, recover_pack
from node.store.writing import PackWriter

PREAMBLE = bytes(128) + b"DICM"


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
            self._directory,
            self._clock,
            study_uid=study_uid,
            cause=cause,
            roll_bytes=self._roll_bytes,
            room=self.check_room,
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
            found = _look(pack, descriptor, offset)
            if found is None or not found.marked:
                # Whether it lands still before its size, its size before its mark: were it the other way round, what
                # is written in between would look like a pack that breaks off, or like a mark that was altered.
                landing = self._directory.is_landing(pack)
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

    def opened(self, path: Path) -> Descriptor:
        """Give a pack by its `path`, kept open for whoever reads a frame at a time; hold on to it while reading.

        Raises
        ------
        NotFound
            It is gone: whoever had it from a row looks the row up once more.
        """
        return self._descriptors.get(path)

    @property
    def directory(self) -> PackDirectory:
        """The folder itself; for `merging` and whoever unlinks what was merged."""
        return self._directory

    def forget(self, pack: str) -> None:
        """Let go of a pack that is about to vanish, so that its bytes are given back."""
        self._descriptors.forget(self._directory.path(pack))

    @property
    def reserve_bytes(self) -> int:
        """Free space that no instance may take."""
        return self._reserve_bytes

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


def _look(pack: str, descriptor: Descriptor, offset: int, size: int | None = None) -> Found | None:
    try:
        whole = os.fstat(descriptor.number).st_size if size is None else size
        return look(descriptor.number, offset, whole)
    except Foreign as error:
        raise Foreign(f"Reading the record at byte {offset} of pack {pack} was refused: {error}") from error


def _record(pack: str, found: Found) -> MarkedRecord:
    try:
        entry = msgspec.json.decode(found.facts, type=Entry)
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
