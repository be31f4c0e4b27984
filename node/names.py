"""Names of things, as types, so that a Patient ID can never be passed where a Study UID belongs.

Identity is local: two hospitals number their patients alike, so every key that
a hospital chose carries who issued it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NewType

from node.errors import InvalidRequest

NodeId = NewType("NodeId", str)
StudyUID = NewType("StudyUID", str)
SeriesUID = NewType("SeriesUID", str)
SOPInstanceUID = NewType("SOPInstanceUID", str)
SOPClassUID = NewType("SOPClassUID", str)
TransferSyntaxUID = NewType("TransferSyntaxUID", str)
AETitle = NewType("AETitle", str)
Digest = NewType("Digest", str)
"""SHA-256 of bytes, 64 lower-case hex digits: the name of the bytes."""
Cause = NewType("Cause", str)
"""Id of the first stimulus; travels through events, jobs, envelopes and log lines."""
Subject = NewType("Subject", str)
"""What an event is about: ``study/ORIGIN/UID``, ``case/ID``, ``person/ID``, ..."""

_NODE_ID = re.compile(r"[a-z][a-z0-9-]{1,14}")
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyKey:
    """A study as the grid knows it: the node it came from, and its Study Instance UID."""

    origin: NodeId
    study_uid: StudyUID

    @property
    def subject(self) -> Subject:
        return Subject(f"study/{self.origin}/{self.study_uid}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientKey:
    """A Patient ID with its issuer; the bare string is never a key."""

    issuer: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accession:
    """An Accession Number with its issuer; an empty number joins nothing."""

    issuer: str
    number: str


def patients_subject(origin: NodeId) -> Subject:
    """Give what events about an origin's patients are about; their keys stand in no subject."""
    return Subject(f"patients/{origin}")


def node_id(text: str) -> NodeId:
    """Check a node id: 2 to 15 of ``a-z 0-9 -``, a letter first.

    Raises
    ------
    InvalidRequest
        When the text is anything else.
    """
    if not _NODE_ID.fullmatch(text):
        raise InvalidRequest(
            f"Naming a node {text!r} was refused: use 2 to 15 of a-z, 0-9 and '-', a letter first."
        )
    return NodeId(text)


def is_uid(text: str) -> bool:
    """Say whether the text is a valid UID (at most 64 characters, no leading zeros).

    Source: DICOM PS3.5 9.1.
    """
    return len(text) <= 64 and _reads_as_uid(text)


@lru_cache(maxsize=4096)
def _reads_as_uid(text: str) -> bool:
    return _UID.fullmatch(text) is not None


def study_of(subject: Subject) -> StudyKey:
    """Give back the key in a ``study/ORIGIN/UID`` subject."""
    kind, origin, uid = subject.split("/", 2)
    if kind != "study":
        raise InvalidRequest(f"Reading {subject!r} as a study failed: it names a {kind}.")
    return StudyKey(origin=NodeId(origin), study_uid=StudyUID(uid))
