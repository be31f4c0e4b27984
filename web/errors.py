"""What goes wrong on the way in, and the one place where errors become HTTP.

Everything else that can go wrong stands in `node.errors` with its status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from federation.consult.refusals import (
    AlreadyClaimed,
    CaseEnded,
    ClaimLost,
    PatientUncertain,
    StudyIncomplete,
)
from node.clock import SECOND, Micros
from node.errors import (
    Conflict,
    Damaged,
    Defect,
    FieldMissing,
    GridError,
    InvalidRequest,
    NotFound,
    NotReady,
    OutcomeUnknown,
    Refused,
    Unauthenticated,
    Unavailable,
)
from node.imaging.pixels import NoPicture

Details = Mapping[str, object]


class Malformed(InvalidRequest):
    """The body is not JSON, or not even text."""

    http = 400


class TooLarge(InvalidRequest):
    """The body is larger than this route takes."""

    http = 413


class UnsupportedMedia(InvalidRequest):
    """The body is of a media type that this address does not take."""

    http = 415


class NotAcceptable(InvalidRequest):
    """None of the media types or transfer syntaxes asked for is to be had."""

    http = 406


class PasswordMustChange(Refused):
    """The password was given by an administrator; nothing else works before it is changed."""


class TooManyAttempts(Unavailable):
    """The address tried to sign in too often."""

    http = 429


SOON_S, LATEST_S = 5, 3600


def retry_after_s(error: GridError, *, now: Micros) -> int:
    """Give in how many seconds to ask again for what is not there now. Source: RFC 9110 10.2.3."""
    if not isinstance(error, NotReady):
        return SOON_S
    return min(LATEST_S, max(SOON_S, -((now - error.ready_at) // SECOND)))


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpError:
    """An error as the client reads it: ``{"error": {"code", "message", ...details}}``."""

    status: int
    code: str
    message: str
    details: Details = field(default_factory=dict)

    def body(self) -> dict[str, object]:
        return {"error": {"code": self.code, "message": self.message, **self.details}}


_CODES: tuple[tuple[type[GridError], str], ...] = (
    (AlreadyClaimed, "claimed"),
    (ClaimLost, "claim-lost"),
    (CaseEnded, "case-ended"),
    (StudyIncomplete, "incomplete"),
    (PatientUncertain, "patient-uncertain"),
    (Malformed, "malformed"),
    (TooLarge, "too-large"),
    (UnsupportedMedia, "unsupported-media"),
    (NotAcceptable, "not-acceptable"),
    (NoPicture, "no-picture"),
    (PasswordMustChange, "must-change"),
    (TooManyAttempts, "too-many-attempts"),
    (InvalidRequest, "invalid"),
    (NotFound, "not-found"),
    (Unauthenticated, "unauthenticated"),
    (Refused, "refused"),
    (OutcomeUnknown, "outcome-unknown"),
    (Unavailable, "unavailable"),
    (Damaged, "damaged"),
    (Defect, "defect"),
    (Conflict, "conflict"),
)


def to_http(error: GridError) -> HttpError:
    """Say an error in HTTP; the first class that fits names the code."""
    code = next((code for shape, code in _CODES if isinstance(error, shape)), "defect")
    return HttpError(status=error.http, code=code, message=error.message, details=_details(error))


def _details(error: GridError) -> Details:
    match error:
        case FieldMissing():
            return {"field": error.name}
        case AlreadyClaimed():
            return {"by": error.by, "until": error.until}
        case StudyIncomplete():
            return {"instances": error.instances, "expected": error.expected}
        case CaseEnded():
            return {"state": error.state}
        case _:
            return {}
