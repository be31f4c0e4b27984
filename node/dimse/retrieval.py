"""What C-GET and C-MOVE have in common: which instances, how far it has come, how it ended.

Source: DICOM PS3.4 C.4.2, C.4.3 (sub-operations), C.6.1, C.6.2 (unique keys).
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from node.catalogue.matching import QueryLevel
from node.dicom.syntax import EXPLICIT_LITTLE
from node.dimse.exchange import PENDING, Agreed, Exchange
from node.dimse.identifier import failed_instances, write_identifier
from node.dimse.statuses import meaning_of_query
from node.errors import InvalidRequest, Refused, Unavailable

SILENT_S = 300.0
"""Between two words of a remote AE that retrieves; it may have to fetch from an archive."""
STUCK_S = 1800.0
"""While it answers, and nothing moves."""
STOP_S = 30.0
"""For its last word after we asked to stop."""
_PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be fetched: a study, or series or instances of it."""

    study_uid: str
    series_uids: tuple[str, ...] = ()
    sop_uids: tuple[str, ...] = ()
    """Of one series."""
    patient_id: str = ""
    """For a remote AE that knows patient roots only."""

    @property
    def level(self) -> QueryLevel:
        return (
            QueryLevel.INSTANCE
            if self.sop_uids
            else QueryLevel.SERIES
            if self.series_uids
            else QueryLevel.STUDY
        )

    def identifier(self, *, explicit: bool, patient_root: bool) -> bytes:
        """Give it as bytes; below a patient root the patient is named as well."""
        keys = {"StudyInstanceUID": self.study_uid}
        if patient_root:
            keys["PatientID"] = self.patient_id
        if self.series_uids:
            keys["SeriesInstanceUID"] = "\\".join(self.series_uids)
        if self.sop_uids:
            keys["SOPInstanceUID"] = "\\".join(self.sop_uids)
        return write_identifier(self.level, keys, explicit=explicit, returned=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Sub-operations, as the remote AE counts them; None where it does not say."""

    remaining: int | None = None
    completed: int = 0
    failed: int = 0
    warned: int = 0

    @property
    def asked(self) -> int | None:
        """How many there are in all."""
        return None if self.remaining is None else self.remaining + self.completed + self.failed + self.warned


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """How a retrieval ended."""

    counts: Counts
    failed: tuple[str, ...]
    """SOP Instance UIDs, if it named them."""
    cancelled: bool
    words: str
    """Why some failed; empty when all came."""


Progress = Callable[[Counts], bool]
"""Told after each answer and several times a second while none comes; False asks the remote AE to stop."""


def follow(
    asking: Exchange,
    context: Agreed,
    message_id: int,
    *,
    about: str,
    progress: Progress,
    serve: Callable[[Any, int], None] | None = None,
) -> Retrieved:
    """Follow a retrieval to its end; who asked to stop waits no longer than half a minute for it.

    Raises
    ------
    Unavailable
        It broke off, stayed silent, or may be able later.
    Refused
        It does not do it.
    """
    following = _Following(asking, context, message_id, about=about, progress=progress)
    try:
        answers = asking.answers(
            message_id, about=about, wait_s=SILENT_S, serve=serve, meanwhile=following.look
        )
        for answer in answers:
            if following.take(answer):
                return following.ended(answer)
    except _DoesNotStop:
        asking.abort()
        return Retrieved(counts=following.counts, failed=(), cancelled=True, words="")
    raise asking.strange(about)


class _DoesNotStop(Exception):
    """We asked to stop, and it goes on."""


class _Following:
    """How far one retrieval has come."""

    def __init__(
        self, asking: Exchange, context: Agreed, message_id: int, *, about: str, progress: Progress
    ) -> None:
        self.counts = Counts()
        self._asking, self._context, self._message_id = asking, context, message_id
        self._about, self._progress = about, progress
        self._stopped_at: float | None = None
        self._moved_at = time.monotonic()

    def look(self) -> None:
        """Ask whether to go on."""
        now = time.monotonic()
        if self._stopped_at is not None:
            if now - self._stopped_at > STOP_S:
                raise _DoesNotStop
        elif not self._progress(self.counts):
            self._stopped_at = now
            self._asking.cancel(self._message_id, self._context)

    def take(self, answer: Any) -> bool:
        """Take an answer; says whether it is the last."""
        before, self.counts = self.counts, _counts(answer, self.counts)
        now = time.monotonic()
        if self.counts != before:
            self._moved_at = now
        elif now - self._moved_at > STUCK_S:
            raise self._asking.silent(self._about, STUCK_S)
        self.look()
        return answer.Status not in PENDING

    def ended(self, answer: Any) -> Retrieved:
        """Say how it ended."""
        stopped = self._stopped_at is not None
        return _ended(answer, self._context, self.counts, about=self._about, cancelled=stopped)


def request_of(kind: type[Any], message_id: int, context: Agreed, wanted: Wanted) -> Any:
    """Make the request of a C-GET or a C-MOVE."""
    request = kind()
    request.MessageID = message_id
    request.AffectedSOPClassUID = context.sop_class
    request.Priority = 0
    identifier = wanted.identifier(
        explicit=context.syntax == EXPLICIT_LITTLE, patient_root=context.sop_class.startswith(_PATIENT_ROOT)
    )
    request.Identifier = io.BytesIO(identifier)
    return request


def check_wanted(wanted: Wanted) -> None:
    """Refuse what names no study.

    Raises
    ------
    InvalidRequest
        There is no Study Instance UID.
    """
    if not wanted.study_uid:
        raise InvalidRequest("Retrieving was refused: no study is named. Choose one from the answers.")


def _counts(answer: Any, before: Counts) -> Counts:
    remaining = answer.NumberOfRemainingSuboperations
    if answer.Status not in PENDING:
        remaining = remaining or 0
    return Counts(
        remaining=before.remaining if remaining is None else int(remaining),
        completed=_number(answer.NumberOfCompletedSuboperations, before.completed),
        failed=_number(answer.NumberOfFailedSuboperations, before.failed),
        warned=_number(answer.NumberOfWarningSuboperations, before.warned),
    )


def _number(said: Any, before: int) -> int:
    return before if said is None else int(said)


def _ended(answer: Any, context: Agreed, counts: Counts, *, about: str, cancelled: bool) -> Retrieved:
    status = int(answer.Status)
    raw = answer.Identifier.getvalue() if getattr(answer, "Identifier", None) is not None else b""
    failed = failed_instances(raw, context.syntax) if raw else ()
    if status in (0, 0xB000) or (cancelled and status == 0xFE00):
        words = ""
        if counts.failed:
            words = f"{about} left out {counts.failed}: they could not be sent. Try again, look into its log."
        return Retrieved(counts=counts, failed=failed, cancelled=status == 0xFE00, words=words)
    said = f"{about} was refused: {meaning_of_query(status)}."
    if status & 0xFF00 == 0xA700:
        raise Unavailable(f"{said} {_ADVICE.get(status, 'Try again later.')}")
    raise Refused(f"{said} {_ADVICE.get(status, 'Look into its log.')}")


_ADVICE: Mapping[int, str] = {
    0xA702: "See that it has the destination's address, and is admitted there (at this node: Devices).",
    0xA801: "Have our AE title, address and port entered there as a move destination.",
    0x0122: "Choose another way of retrieving for this remote AE.",
}
