"""C-GET and C-MOVE: which instances an identifier means, and what is told of them as they go.

Knows nothing of sockets: instances are sent by whatever `send` is, and progress
goes to `report`. A study's rows are read when its turn comes.

Only the unique keys count, as single values or lists of UIDs. A Patient ID
alone may mean people of several issuers, and then is refused: it must come with
its issuer.

Source: DICOM PS3.4 C.4.2, C.4.3, C.6.1.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from node.catalogue.finding import match_instances
from node.catalogue.matching import QueryLevel
from node.catalogue.patterns import is_wild
from node.catalogue.search import InstanceRow
from node.catalogue.visibility import Condition
from node.clock import SECOND, Clock, Micros
from node.database.port import Database
from node.dimse.commands import CANCELLED, NO_SUB_OPERATION_SUCCEEDED, SOME_FAILED, SUCCESS, Counts
from node.dimse.query_answers import Asking
from node.dimse.query_identifier import DoesNotFit, read_identifier
from node.dimse.query_scp import check_level, each_study
from node.dimse.sending import Outcome
from node.names import StudyKey

REPORT_EVERY: Micros = SECOND // 2
_UNIQUE = {
    QueryLevel.PATIENT: "PatientID",
    QueryLevel.STUDY: "StudyInstanceUID",
    QueryLevel.SERIES: "SeriesInstanceUID",
    QueryLevel.INSTANCE: "SOPInstanceUID",
}
_ROWS = 5_000

Send = Callable[[InstanceRow, InstanceRow | None], Outcome]
"""Sends an instance; knows which comes then, if one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be sent: studies in their order, and how many instances in all."""

    studies: list[StudyKey]
    count: int
    filters: Mapping[str, str]

    @property
    def of_series(self) -> bool:
        """Whether series or instances are named, and not all of a study is wanted."""
        return any(self.filters.get(name) for name in ("SeriesInstanceUID", "SOPInstanceUID"))


@dataclass(slots=True, kw_only=True)
class Progress:
    """What became of the sub-operations so far."""

    total: int
    completed: int = 0
    warnings: int = 0
    failed: list[str] = field(default_factory=list)
    """Their SOP Instance UIDs."""
    words: str = ""
    """Why the first one failed."""

    @property
    def sent(self) -> int:
        return self.completed + self.warnings

    @property
    def counts(self) -> Counts:
        done = self.sent + len(self.failed)
        return Counts(
            remaining=max(self.total - done, 0),
            completed=self.completed,
            failed=len(self.failed),
            warnings=self.warnings,
        )

    def note(self, row: InstanceRow, outcome: Outcome) -> None:
        """Count one instance."""
        if not outcome.sent:
            self.failed.append(row.sop_uid)
            self.words = self.words or outcome.words
        elif outcome.warning:
            self.warnings += 1
        else:
            self.completed += 1

    def status(self, *, cancelled: bool) -> int:
        """Give the final status. Source: DICOM PS3.4 tables C.4-2, C.4-3."""
        if cancelled:
            return CANCELLED
        if self.failed and not self.sent:
            return NO_SUB_OPERATION_SUCCEEDED
        return SOME_FAILED if self.failed or self.warnings else SUCCESS


def wanted(database: Database, condition: Condition, content: bytes, asking: Asking) -> Wanted:
    """Give what an identifier asks for.

    Parameters
    ----------
    condition
        Which studies the caller sees.

    Raises
    ------
    DoesNotFit
        It cannot be read, or does not name what is to be sent.
    """
    asked = read_identifier(content, asking.transfer_syntax)
    check_level(asking.model, asked.level)
    unique = _UNIQUE[asked.level]
    names = {*_UNIQUE.values(), "IssuerOfPatientID"}
    filters = {name: value for name, value in asked.filters.items() if name in names and value}
    if unique not in filters:
        raise DoesNotFit(f"Retrieving was refused: the identifier has no {unique}. Say what is to be sent.")
    if is_wild("".join(filters.values())):
        raise DoesNotFit(
            "Retrieving was refused: the identifier has wildcards. Query first, then name what is found."
        )
    studies = list(each_study(database, condition, filters, combined=False))
    if asked.level is QueryLevel.PATIENT and len({study.patient_issuer for study in studies}) > 1:
        raise DoesNotFit(
            "Retrieving was refused: several people have this Patient ID. Add Issuer of Patient ID, or name studies."
        )
    keys = [study.key for study in studies]
    if asked.level in (QueryLevel.PATIENT, QueryLevel.STUDY):
        count = sum(study.instance_count for study in studies)
    else:
        rows = {key: len(list(instances(database, key, filters))) for key in keys}
        keys, count = [key for key in keys if rows[key]], sum(rows.values())
    return Wanted(studies=keys, count=count, filters=filters)


def instances(database: Database, key: StudyKey, filters: Mapping[str, str]) -> Iterator[InstanceRow]:
    """Give the instances of a study that are asked for."""
    condition: Condition = ("study.origin = ? AND study.study_uid = ?", (key.origin, key.study_uid))
    below = {name: value for name, value in filters.items() if name.endswith("UID")}
    at = 0
    while rows := match_instances(database, condition, filters=below, limit=_ROWS, offset=at):
        yield from rows
        if len(rows) < _ROWS:
            return
        at += len(rows)


class Retrieval:
    """One C-GET or C-MOVE: counts what is sent, and tells of it now and then."""

    def __init__(
        self,
        total: int,
        *,
        clock: Clock,
        report: Callable[[Counts], None],
        cancelled: Callable[[], bool],
    ) -> None:
        """Begin one.

        Parameters
        ----------
        report
            Takes the counts so far.
        cancelled
            Whether the caller has cancelled meanwhile; asked before each instance.
        """
        self.progress = Progress(total=total)
        self._clock = clock
        self._report = report
        self._cancelled = cancelled
        self._told: Micros = clock.now()

    def run(self, rows: Iterable[InstanceRow], send: Send) -> bool:
        """Send instances one by one; False when it was cancelled before the last."""
        coming = iter(rows)
        following = next(coming, None)
        while (row := following) is not None:
            if self._cancelled():
                return False
            following = next(coming, None)
            self.progress.note(row, send(row, following))
            now = self._clock.now()
            if now - self._told >= REPORT_EVERY and self.progress.counts.remaining:
                self._told = now
                self._report(self.progress.counts)
        return True
