"""What a pack knows of an instance: what its association told, where its bytes lie.

Structs, not dataclasses: each instance makes four of them between its last byte
and its answer, and theirs are made in C.
"""

from __future__ import annotations

import msgspec

from node.clock import Micros
from node.names import Cause, Digest, NodeId, StudyUID


class AssociationFacts(msgspec.Struct, frozen=True, kw_only=True):
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
    """``dicom``, ``web``, ``peer``, ``report`` or ``import``."""
    cause: Cause
    """One for all instances of an association, part or import."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON part of an instance's record."""

    facts: AssociationFacts
    sop_class: str
    sop_uid: str

    def encode(self) -> bytes:
        """Give it as it is written: keys sorted, no spaces."""
        return msgspec.json.encode(self, order="sorted")


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record's bytes lie; file meta stands straight before the data set."""

    pack: str
    offset: int
    """Of the record."""
    meta_bytes: int
    data_offset: int
    data_bytes: int


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An instance is on disk, synced and marked."""

    location: Location
    digest: Digest
    """Of the data set, without file meta."""
    next_offset: int


class MarkedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that a live reader may believe."""

    location: Location
    facts: AssociationFacts
    sop_class: str
    sop_uid: str
    digest: Digest
    next_offset: int
