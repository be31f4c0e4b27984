"""What a clinic and a pool's home tell each other about cases.

A clinic asks; home answers with how the case stands and the dated facts that
led there. Each says enough to be applied twice, late, or again after a restore:
a case by its id, an amendment by its number, an answer by its version.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.consult.forms import FormWords
from federation.messages import Message
from node.clock import Micros
from node.reporting.report import SignedReport

FactBody = dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPool:
    """An expert pool as its home publishes it."""

    id: str
    """``NODE/NAME``; the node is its home."""
    name: str
    specialty: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolsPublished(Message):
    """All pools of the sender; those it no longer names are gone."""

    pools: tuple[KnownPool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRequested(Message):
    """Clinic to home: please take this case. The sender is the clinic and the study's origin."""

    case_id: str
    pool: str
    study_uid: str
    kind: str
    urgency: str
    specialty: str
    clinic_name: str
    words: FormWords
    requested_at: Micros
    requested_by: str
    """Name of the person who asked."""
    instances: int
    incomplete: bool
    """The study was still arriving, and the clinic said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCancelRequested(Message):
    """Clinic to home: please end this case. Counts when home has accepted it."""

    case_id: str
    reason: str
    asked_at: Micros
    asked_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAmended(Message):
    """Clinic to home: the study of this case has changed since it was asked about."""

    case_id: str
    n: int
    """Counts the amendments of this case, from 1."""
    instances: int
    complete: bool
    at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened at home: when, and what a person may read of it."""

    n: int
    """The version of the case that it made."""
    at: Micros
    type: str
    body: FactBody


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a case stands at home after ``version`` events."""

    version: int
    state: str
    due: Micros
    reason: str
    """Why it was declined or cancelled, in somebody's words."""
    claimed_by: str
    claimed_name: str
    claimed_at: Micros | None
    overdue: bool
    late_cancel: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts(Message):
    """Home to clinic: how the case stands, what led there, and the report once it is signed."""

    case_id: str
    standing: Standing
    facts: tuple[Fact, ...]
    report: SignedReport | None = None
