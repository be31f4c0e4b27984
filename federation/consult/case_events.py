"""What can have happened to a case at its home. Subject ``case/ID``; words stand beside, by digest."""

from __future__ import annotations

from dataclasses import dataclass

from node.clock import Micros
from node.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOffered(Event):
    """A clinic's request was taken and shown to the pool."""

    clinic: str
    clinic_name: str
    pool: str
    study_uid: str
    """Of the clinic's origin."""
    kind: str
    urgency: str
    specialty: str
    words: str
    """Digest of the form's words."""
    requested_at: Micros
    requested_by: str
    due: Micros
    instances: int
    incomplete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseClaimed(Event):
    """An expert took the case."""

    person: str
    name: str
    epoch: int
    at: Micros
    until: Micros
    """At first; renewals move it without an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReleased(Event):
    """The holder gave the case back."""

    person: str
    name: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLapsed(Event):
    """Home found the claim's time passed and ended it."""

    person: str
    name: str
    epoch: int
    until: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRead(Event):
    """The holder opened the images, for the first time under this claim."""

    person: str
    name: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDeclined(Event):
    """The pool said no; the person is empty when the node did."""

    person: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCancelled(Event):
    """Home accepted the clinic's cancel."""

    by: str
    reason: str
    asked_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelCameLate(Event):
    """The clinic asked to cancel what was signed by then: the report stands, marked."""

    by: str
    asked_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendmentAccepted(Event):
    """Home noted that the study changed at the clinic."""

    n: int
    instances: int
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePassed(Event):
    """The case was not answered in time."""

    due: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSigned(Event):
    """The holder signed the report."""

    person: str
    name: str
    epoch: int
    report_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResumed(Event):
    """Home's index was written again, and what happened to the case after a moment is not known.

    The clinic may know of more. What happens from now on is numbered behind all that could have happened then.
    """

    until: Micros
    """Up to when it is known."""
    skipped: int
    """How many numbers are left free."""


CaseEvent = (
    CaseOffered
    | CaseClaimed
    | ClaimReleased
    | ClaimLapsed
    | CaseRead
    | CaseDeclined
    | CaseCancelled
    | CancelCameLate
    | AmendmentAccepted
    | DeadlinePassed
    | CaseSigned
    | CaseResumed
)
CASE_EVENTS: tuple[type[CaseEvent], ...] = (
    CaseOffered,
    CaseClaimed,
    ClaimReleased,
    ClaimLapsed,
    CaseRead,
    CaseDeclined,
    CaseCancelled,
    CancelCameLate,
    AmendmentAccepted,
    DeadlinePassed,
    CaseSigned,
    CaseResumed,
)
