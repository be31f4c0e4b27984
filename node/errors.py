"""Everything that can go wrong on purpose, with the code each edge answers.

No library's exception crosses a port: an adapter raises one of these. A message
begins with what was attempted, ends with what to do, and holds no patient data.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class Retry(Enum):
    """Whether the same request can succeed: never, later, or at another place."""

    NEVER = "never"
    LATER = "later"
    ELSEWHERE = "elsewhere"


class GridError(Exception):
    """The root; carries how each edge says it.

    Source: statuses DICOM PS3.4 B.2.3 and PS3.7 Annex C, HTTP RFC 9110, gRPC status codes.
    """

    retry: ClassVar[Retry] = Retry.NEVER
    dimse: ClassVar[int] = 0x0110
    http: ClassVar[int] = 500
    grpc: ClassVar[str] = "INTERNAL"

    @property
    def message(self) -> str:
        return str(self)


class InvalidRequest(GridError):
    """What was asked is malformed; asking again in the same words fails again."""

    dimse, http, grpc = 0xC000, 422, "INVALID_ARGUMENT"


class FieldMissing(InvalidRequest):
    """A field that must be filled is empty or not what it must be; ``name`` says which."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class TooBroad(InvalidRequest):
    """What was asked would take too long to find; a narrower question is answered.

    Source: DICOM PS3.4 C.4.1.1.4 (out of resources), PS3.18 10.6.3 (too broad a query).
    """

    dimse, http, grpc = 0xA700, 413, "RESOURCE_EXHAUSTED"


class NotFound(GridError):
    """The named thing is not here."""

    dimse, http, grpc = 0x0112, 404, "NOT_FOUND"


class Conflict(GridError):
    """Somebody else changed it first, or it is already in another state."""

    dimse, http, grpc = 0x0110, 409, "ABORTED"


class Refused(GridError):
    """Understood, and not allowed for this caller."""

    dimse, http, grpc = 0x0124, 403, "PERMISSION_DENIED"


class Unauthenticated(Refused):
    """The caller did not say, or did not prove, who they are."""

    http, grpc = 401, "UNAUTHENTICATED"


class Unavailable(GridError):
    """Not now: something needed is down, full or slow. The same request may succeed later."""

    retry = Retry.LATER
    dimse, http, grpc = 0xA700, 503, "UNAVAILABLE"


class NotReady(Unavailable):
    """It must be brought from a slow medium; that was asked for. ``ready_at``: microseconds UTC."""

    def __init__(self, message: str, *, ready_at: int) -> None:
        super().__init__(message)
        self.ready_at = ready_at


class Waited(Unavailable):
    """Others were before it for longer than whoever asked can wait."""


class OutcomeUnknown(Unavailable):
    """A write may or may not have been applied: repeat the same batch under the same key."""


class Damaged(GridError):
    """Bytes are not what they were when their digest was taken."""

    retry = Retry.ELSEWHERE
    dimse, http, grpc = 0xC001, 502, "DATA_LOSS"


class Defect(GridError):
    """Our own mistake; the log names the cause id to report."""
