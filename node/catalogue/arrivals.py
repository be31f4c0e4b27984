"""From a pack record to what the catalogue must know of it: only the beginning of the data set is read.

What cannot be read is given back with its reason; it stays in its pack.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from node.catalogue.identity import Issuers, Patient, accession_of, patient_of
from node.catalogue.search import InstanceRow
from node.database.subset import check_value
from node.dicom.attributes import Attributes, read_attributes
from node.dicom.header import Header, scan
from node.errors import GridError, InvalidRequest, Unavailable
from node.names import Accession, NodeId, StudyKey
from node.store.facts import Location, MarkedRecord
from node.store.packs import Packs

_BEGINNINGS_BYTES = (16 << 10, 128 << 10, 1 << 20)
LAST_TAG = 0x00280011
"""The highest tag that `read_attributes` looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One received data set, read."""

    record: MarkedRecord
    key: StudyKey
    attributes: Attributes
    patient: Patient
    accession: Accession

    @property
    def order(self) -> tuple[int, str]:
        """By arrival time, then digest: so that a rebuild agrees, in whatever order it reads."""
        return self.record.facts.received_at, self.record.digest

    def row(self) -> InstanceRow:
        """Give it as an instance row, chosen until another content is known."""
        location, facts, instance = self.record.location, self.record.facts, self.attributes.instance
        return InstanceRow(
            origin=self.key.origin,
            study_uid=self.key.study_uid,
            sop_uid=instance.sop_uid,
            digest=self.record.digest,
            normal_digest="",
            series_uid=self.attributes.series.series_uid,
            sop_class=instance.sop_class,
            transfer_syntax=facts.transfer_syntax,
            number=instance.number,
            frames=instance.frames,
            rows=instance.rows,
            columns=instance.columns,
            pack=location.pack,
            offset=location.offset,
            meta_bytes=location.meta_bytes,
            data_offset=location.data_offset,
            data_bytes=location.data_bytes,
            state="chosen",
            door=facts.door,
            received_at=facts.received_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A record that cannot be registered, and why."""

    record: MarkedRecord
    reason: str


def read_arrivals(
    packs: Packs, records: Iterable[MarkedRecord], *, own: NodeId
) -> tuple[list[Arrival], list[Unreadable]]:
    """Read the headers of stored records.

    Raises
    ------
    Unavailable
        The disk does not answer; nothing is known of the records.
    """
    arrivals: list[Arrival] = []
    unreadable: list[Unreadable] = []
    with _OpenPacks(packs) as source:
        for record in records:
            try:
                arrivals.append(arrival_of(record, source.header, own=own))
            except Unavailable:
                raise
            except GridError as error:
                unreadable.append(Unreadable(record=record, reason=str(error)))
    return arrivals, unreadable


def arrival_of(record: MarkedRecord, read: Callable[[MarkedRecord], Header], *, own: NodeId) -> Arrival:
    """Read one record; ``read`` gives the header of its data set, as far as the catalogue needs it.

    Raises
    ------
    GridError
        It cannot be registered: says why.
    """
    facts = record.facts
    if facts.door == "peer" and facts.origin == own:
        raise InvalidRequest(
            "Registering an instance was refused: a peer sent it as this node's own. Ask the peer what it sent."
        )
    for said in (facts.department, facts.door, facts.origin, facts.received_at):
        check_value(said)  # by a peer, perhaps: what no row may hold must not stop what comes after it
    origin = facts.origin if facts.door == "peer" else own
    attributes = read_attributes(read(record))
    issuers = Issuers(given=facts.issuer, trusted=facts.trust_issuer)
    return Arrival(
        record=record,
        key=StudyKey(origin=origin, study_uid=attributes.study.study_uid),
        attributes=attributes,
        patient=patient_of(attributes.study, issuers, origin=origin),
        accession=accession_of(attributes.study, issuers, origin=origin),
    )


class _OpenPacks:
    """Reads beginnings of data sets, each pack opened once."""

    def __init__(self, packs: Packs) -> None:
        self._packs = packs
        self._open: dict[str, int] = {}

    def __enter__(self) -> _OpenPacks:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)

    def header(self, record: MarkedRecord) -> Header:
        """Scan as much as the catalogue needs."""
        size, syntax = record.location.data_bytes, record.facts.transfer_syntax
        for beginning in _BEGINNINGS_BYTES:
            if beginning < size:
                header = scan(self._read(record.location, beginning), syntax, size=size)
                if header.covers(LAST_TAG):
                    return header
        return scan(self._packs.read_data_set(record.location), syntax)

    def _read(self, location: Location, size: int) -> bytes:
        try:
            if location.pack not in self._open:
                self._open[location.pack] = os.open(
                    self._packs.path(location.pack), os.O_RDONLY | os.O_CLOEXEC
                )
            return os.pread(self._open[location.pack], size, location.data_offset)
        except OSError as error:
            raise Unavailable(
                f"Reading pack {location.pack} failed ({error.strerror}). Check the disk, then try again."
            ) from error
