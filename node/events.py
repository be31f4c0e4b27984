"""Facts in the past tense: how an event class becomes a journal record, and the node's own events.

An event's type is its class in kebab case with its version: ``study-changed/1``.
Patient attributes and free text never stand in an event; it names them by digest.
Other packages declare theirs beside their decider, in the same form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, TypeVar

import msgspec

from node.canonical import canonical_json
from node.errors import Damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The root of all events."""

    VERSION: ClassVar[int] = 1
    EARLIER: ClassVar[tuple[int, ...]] = ()
    """Versions that are read as this one; what those did not say has its default."""


E = TypeVar("E", bound=Event)


def event_type(event: type[Event]) -> str:
    """Give the stable name of an event class."""
    return f"{_kebab(event.__name__)}/{event.VERSION}"


def event_types(event: type[Event]) -> tuple[str, ...]:
    """Give every name under which records of an event class stand, the newest first."""
    name = _kebab(event.__name__)
    return (event_type(event), *(f"{name}/{version}" for version in event.EARLIER))


@cache
def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def encode(event: Event) -> str:
    """Give the canonical JSON of an event's fields."""
    return canonical_json(msgspec.to_builtins(event))


def decode(classes: tuple[type[E], ...], type_: str, body: str) -> E | None:
    """Read a record's body as one of the given classes; None when its type is not among them.

    Raises
    ------
    Damaged
        The body does not fit the class that its type names.
    """
    for event in classes:
        if type_ in event_types(event):
            try:
                return msgspec.json.decode(body.encode(), type=event)
            except msgspec.DecodeError as error:
                raise Damaged(f"Reading a {type_} event failed ({error}): run 'meridian verify'.") from error
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyChanged(Event):
    """Instances of a study were registered. Subject ``study/ORIGIN/UID``."""

    instances: int
    """How many new ones this batch brought."""
    bytes: int
    door: str
    """Which way they came in: ``dicom``, ``peer``, ``report``, ``import``."""
    device: str
    """Calling AE title, peer, or the act that made them."""
    total: int
    """Instances of the study afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyAnnounced(Event):
    """A peer told of a study before its images came."""

    peer: str
    expected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCompleted(Event):
    """No more instances are awaited; a later one makes it change again."""

    instances: int
    reason: str
    """``quiet`` or ``announced count``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyArchived(Event):
    """A package of all that is here was made, and verified in each of these stores."""

    generation: int
    digest: str
    instances: int
    bytes: int
    stores: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyExpired(Event):
    """The online copy was let go: the study lies in the archive alone."""

    generation: int
    reason: str
    """A stable code of `node.archive.lifecycle.decider`."""
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecalled(Event):
    """What lay in the archive alone is online again."""

    generation: int
    instances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDeleted(Event):
    """A study went for good, with all that was known of it. Subject ``study/ORIGIN/UID``: what comes later is another matter."""

    deletion: str
    """Its id."""
    instances: int
    """Contents, whatever state they were in."""
    bytes: int
    set_digest: str
    """SHA-256 over the digests of the instances, sorted, one a line."""
    reason: str
    """A code of `node.archive.deletion.deletions`."""
    certificate: str
    """Digest of the deed that its certificate begins with."""
    asked_by: str
    """Names of staff, a rule or a peer."""
    approved_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionCertified(Event):
    """Nothing of a deleted study is left, or another peer answered: the certificate says so. Subject ``deletion/ID``."""

    certificate: str
    """Digest of the text."""
    issue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceConflictFound(Event):
    """The same SOP Instance UID came with other content; a person chooses."""

    sop_uid: str
    digests: tuple[str, ...]
    patient_differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientConflictFound(Event):
    """Instances of a study speak of different patients; sealing and signing wait until a person has chosen."""

    sop_uid: str
    """The instance that brought it to light."""
    patients: int
    """How many ways of naming the patient were found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAdmitted(Event):
    """An administrator admitted a device. Subject ``device/RULE``.

    Version 1 knew neither trust nor what stands behind ``by``; version 2 not ``reads``.
    """

    VERSION: ClassVar[int] = 3
    calling: str
    address: str
    issuer: str
    trust_issuer: bool
    department: str
    by: str
    certificate: str
    called: str
    classes: tuple[str, ...]
    others: bool
    at_once: int
    reads: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBlocked(Event):
    """An administrator shut a device out; version 1 knew no certificate and no called AE title."""

    VERSION: ClassVar[int] = 2
    calling: str
    address: str
    by: str
    certificate: str
    called: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRuleRemoved(Event):
    """An administrator took a rule away; what it decided is for the next most exact one."""

    calling: str
    address: str
    by: str
    certificate: str
    called: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemFound(Event):
    """Something was refused or found damaged; the administrator sees it. Subject ``node/ID``."""

    kind: str
    about: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemSettled(Event):
    """What a problem was about is as it should be again; nobody had to say so. Subject: that of its `ProblemFound`."""

    kind: str
    about: str
