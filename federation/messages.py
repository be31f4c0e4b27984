"""What peers tell each other, as values, before anything is sealed.

A message's type is its class in kebab case with its version, like an event's:
``study-announced/1``. Other packages declare theirs beside their decider, in
the same form; `federation.appliers` lists them all with what each does here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import msgspec

from node.canonical import canonical_json
from node.clock import Micros
from node.errors import InvalidRequest
from node.names import Cause, NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The root of all messages."""

    VERSION: ClassVar[int] = 1


M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What an applier may know about an opened envelope besides its message."""

    sender: NodeId
    cause: Cause
    at: Micros
    """When it was opened here."""


def message_type(message: type[Message]) -> str:
    """Give the stable name of a message class."""
    kebab = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", message.__name__).lower()
    return f"{kebab}/{message.VERSION}"


def encode_message(message: Message) -> str:
    """Give the canonical JSON of a message's fields: the ``body`` of its envelope."""
    return canonical_json(msgspec.to_builtins(message))


def decode_message(shape: type[M], body: str) -> M:
    """Read an envelope's body as the class that its type names.

    Raises
    ------
    InvalidRequest
        A field is missing or of another kind; the message names which.
    """
    try:
        return msgspec.json.decode(body.encode(), type=shape)
    except msgspec.DecodeError as error:
        raise InvalidRequest(
            f"Reading a {message_type(shape)} message was refused ({error}): the peer must send it again."
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedStudy:
    """A study's row as its origin shows it; the origin itself is the envelope's sender.

    Issuers stand as the origin wrote them, ``ORIGIN:ISSUER``.
    """

    study_uid: str
    patient_issuer: str
    patient_id: str
    patient_name: str
    sex: str
    birth_date: str
    age: str
    study_date: str
    study_time: str
    accession_issuer: str
    accession: str
    description: str
    referring_physician: str
    modalities: str
    """As the column holds it: a JSON list."""
    body_parts: str
    department: str
    series_count: int
    instance_count: int
    bytes: int
    first_at: Micros
    last_at: Micros
    study_id: str = ""
    """Optional: peers of an earlier version do not say it, and pass over it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedSeries:
    """A series of an announced study."""

    series_uid: str
    modality: str
    number: int | None
    description: str
    body_part: str
    laterality: str
    instance_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyAnnounced(Message):
    """A study is here, or looks different now. The newest one counts; images may follow or not."""

    origin: str
    study: AnnouncedStudy
    series: tuple[AnnouncedSeries, ...]
    images: bool
    """Whether the policy sends the images as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOffered(Message):
    """A sealed part lies at the recipient's mailbox host; this is its key."""

    origin: str
    study_uid: str
    k: int
    """Counts the parts of this study for this recipient, from 1."""
    blob: str
    """SHA-256 of the sealed file: its name."""
    blob_key: str
    """Base64 of the file's own AES-256 key."""
    bytes: int
    """Size of the sealed file."""
    instances: int
    manifest_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWanted(Message):
    """An offered part cannot be had or is damaged: make and offer its instances again."""

    origin: str
    study_uid: str
    k: int
    reason: str
    """``missing`` at the host, or ``damaged``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCompletedThere(Message):
    """The origin awaits no more instances, and every part has been offered."""

    origin: str
    study_uid: str
    instances: int
    """What the study counts: chosen ones."""
    contents: int
    """All that were sent, alternatives and conflicts too."""
    set_digest: str
    """SHA-256 over the instances' digests, sorted, one a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCorrectedThere(Message):
    """The origin corrected the study, or took a correction back. The newest one counts for all that was sent and will be.

    Stored bytes travel as they are; this is how they are to be shown and given on.
    """

    origin: str
    study: AnnouncedStudy
    """As its instances say, uncorrected."""
    series: tuple[AnnouncedSeries, ...]
    """Likewise."""
    overlay: str
    """Canonical JSON of what corrections make of it; ``{}`` when none stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDeletedThere(Message):
    """The origin deleted the study for good. What the recipient holds of it goes, unless something of its own bars that."""

    origin: str
    study_uid: str
    deletion: str
    """The origin's id of it, for the answer."""
    deleted_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDeletionAnswered(Message):
    """What became of a deleted study at a peer: the receipt that the origin's certificate names."""

    origin: str
    """The recipient's."""
    study_uid: str
    deletion: str
    outcome: str
    """``deleted``: nothing of it is left here. ``kept``."""
    reason: str
    """Why it is kept: ``report``, ``case``, ``hold``, ``rule``; empty when it is not."""
    at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(Message):
    """What the recipient has applied, all of it up to n. Unnumbered; the newest replaces the last."""

    inc: str
    """The sender's incarnation that n counts in; empty when nothing has been applied yet."""
    n: int
    digest: str
    """Digest of envelope n as the recipient opened it; empty for n = 0."""
    again: bool
    """Seal and send again whatever follows: it came damaged, out of its chain, or not at all."""
    at: Micros
    """The recipient's clock; an older receipt that comes later moves nothing."""
