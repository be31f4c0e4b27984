"""Each study held against the journal: its state, when it was complete, and what the journal has not told of it yet.

Contents that the journal does not count were registered after its last block, or lay in a pack that the index had not
read: they are told of now, as new, and the study completes as any other. Fewer than it counts are named: a pack is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from federation.arrivals import StudyCounted
from node.catalogue.search import PATIENT_DIFFERS, StudyRow, peek_study
from node.catalogue.unsettled import CorrectionsDoubted, CorrectionsSettled
from node.clock import Micros
from node.database.port import Statement, convert_row, integer, text
from node.events import (
    Event,
    InstanceConflictFound,
    PatientConflictFound,
    StudyChanged,
    StudyCompleted,
    decode,
)
from node.names import StudyKey, Subject, study_of
from node.node import Node
from ops.findings import PAGE, pages
from ops.rebuild.deleted import DELETED, Deleted
from ops.rebuild.records import Told

_READ = (
    StudyChanged, StudyCompleted, StudyCounted, InstanceConflictFound, PatientConflictFound, CorrectionsDoubted,
    CorrectionsSettled,
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Studies:
    """What came of them."""

    studies: int = 0
    told: int = 0
    """Contents that the journal did not know."""
    missing: dict[StudyKey, int] = field(default_factory=dict)
    """Contents that it knows and that are nowhere."""


@dataclass(slots=True)
class _Known:
    """What the journal says of a study."""

    contents: int = 0
    state: str = "receiving"
    completed_at: Micros | None = None
    expected: int | None = None
    in_conflict: bool = False
    patient_differs: bool = False
    corrections_until: Micros | None = None


def settle_studies(node: Node, deleted: Deleted, tell: Told) -> Studies:
    """Write what the journal says of each study, and tell it what it lacks."""
    found = Studies()
    (row,) = node.database.read("SELECT count(*) AS n FROM study")
    for study in _studies(node):
        found.studies += 1
        _settle(node, study, found)
        tell("studies", found.studies, integer(row, "n"))
    for key, contents in _without_rows(node, deleted):
        found.missing[key] = contents
    return found


def _settle(node: Node, study: StudyRow, found: Studies) -> None:
    known, key = _known(node, study.key), (study.origin, study.study_uid)
    (row,) = node.database.read("SELECT count(*) AS n FROM instance WHERE origin = ? AND study_uid = ?", key)
    more = integer(row, "n") - known.contents
    if more < 0:
        found.missing[study.key] = -more
    statements: list[Statement] = []
    if more > 0:
        found.told += more
        known.state, known.completed_at = "receiving", None
        statements += _tell(node, study, more, known)
    if study.state != "announced":
        statements.append(
            Statement(
                "UPDATE study SET state = ?, completed_at = ?, expected = coalesce(?, expected), corrections_until = ?"
                " WHERE origin = ? AND study_uid = ?",
                (known.state, known.completed_at, known.expected, known.corrections_until, *key),
                expect=1,
            )
        )
    if statements:
        node.database.write(statements, node.new_id())


def _tell(node: Node, study: StudyRow, more: int, known: _Known) -> list[Statement]:
    """Give the statements that tell the journal of contents that it does not know, and of a conflict among them."""
    newest = node.database.read(
        "SELECT data_bytes, door, sop_uid FROM instance WHERE origin = ? AND study_uid = ?"
        " ORDER BY received_at DESC, digest DESC LIMIT ?",
        (study.origin, study.study_uid, more),
    )
    sop_uid = text(newest[0], "sop_uid")
    events: list[Event] = [
        StudyChanged(
            instances=more,
            bytes=sum(integer(row, "data_bytes") for row in newest),
            door=text(newest[0], "door"),
            device="",
            total=study.instance_count,
        )
    ]
    problems: list[Statement] = []
    if study.conflict == PATIENT_DIFFERS and not known.patient_differs:
        events.append(PatientConflictFound(sop_uid=sop_uid, patients=_patients(node, study.key)))
        problems += node.problem(
            "patient-conflict",
            about=study.key.subject,
            detail="Rebuilding the index found instances of a study that disagree about the patient; it is not sent or"
            " signed until a person has chosen. Open the study and compare.",
            cause=study.cause,
        )
    elif study.conflict and not known.in_conflict:
        problems += node.problem(
            "instance-conflict",
            about=study.key.subject,
            detail="Rebuilding the index found several contents under one SOP Instance UID; all were kept. Open the"
            " study and choose one.",
            cause=study.cause,
        )
    version = node.journal.version(study.key.subject)
    return [*node.journal.append(study.key.subject, events, after=version, cause=study.cause), *problems]


def _known(node: Node, key: StudyKey) -> _Known:
    known = _Known()
    for record in node.journal.of(key.subject):
        if record.type == DELETED:
            known = _Known()
        match decode(_READ, record.type, record.body):
            case StudyChanged() as event:
                known.contents += event.instances
                known.state, known.completed_at = "receiving", None
            case StudyCompleted():
                known.state, known.completed_at = "complete", record.at
            case StudyCounted() as event:
                known.expected = event.expected
            case InstanceConflictFound():
                known.in_conflict = True
            case PatientConflictFound():
                known.patient_differs = True
            case CorrectionsDoubted() as event:
                known.corrections_until = event.until
            case CorrectionsSettled():
                known.corrections_until = None
            case _:
                continue
    return known


def _patients(node: Node, key: StudyKey) -> int:
    (row,) = node.database.read(
        "SELECT count(*) AS n FROM study_identity WHERE origin = ? AND study_uid = ?",
        (key.origin, key.study_uid),
    )
    return integer(row, "n")


def _studies(node: Node) -> Iterator[StudyRow]:
    for row in pages(node.database, "study", columns="*", key=("origin", "study_uid")):
        yield convert_row(row, StudyRow)


def _without_rows(node: Node, deleted: Deleted) -> Iterator[tuple[StudyKey, int]]:
    """Give studies that the journal tells of and of which nothing is here, unless they were deleted."""
    sql = (
        "SELECT subject, sum(body ->> 'instances') AS n, max(at) AS at FROM journal WHERE type = 'study-changed/1'"
        f" AND subject > ? GROUP BY subject ORDER BY subject LIMIT {PAGE}"
    )
    after = ""
    while rows := node.database.read(sql, (after,)):
        for row in rows:
            after = text(row, "subject")
            key = study_of(Subject(after))
            if peek_study(node.database, key) is None and not deleted.covers(key, integer(row, "at")):
                yield key, integer(row, "n")
