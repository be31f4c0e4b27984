"""What is held of a study before a batch is registered: the rows that the decision stands on.

Read at one version of the study's subject; a write that names this version is
refused when somebody else has changed the study since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.catalogue.identity import Patient
from node.catalogue.search import InstanceRow, SeriesRow, StudyRow, peek_study, series_of
from node.database.port import Database, integer, read_as, text
from node.journal.records import Journal
from node.names import PatientKey, StudyKey, patients_subject

_CHUNK = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The chosen instances of one series."""

    instances: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A study's rows, as far as a batch touches them."""

    version: int
    """Of the study's subject in the journal."""
    patients_version: int
    """Of its origin's patients in the journal: who was merged with whom."""
    study: StudyRow | None
    series: dict[str, SeriesRow]
    tallies: dict[str, Tally]
    """By series UID."""
    contents: dict[str, list[InstanceRow]]
    """By SOP Instance UID, of those the batch brings again."""
    patients: list[Patient]
    """Every patient its instances speak of, and its origin's announcement."""


def read_held(database: Database, journal: Journal, key: StudyKey, *, sop_uids: Sequence[str]) -> Held:
    """Read what a batch of these instances may change."""
    version = journal.version(key.subject)  # first: what changes after it is refused, not overlooked
    patients_version = journal.version(patients_subject(key.origin))
    study = peek_study(database, key)
    if study is None:
        return Held(
            version=version,
            patients_version=patients_version,
            study=None,
            series={},
            tallies={},
            contents={},
            patients=[],
        )
    return Held(
        version=version,
        patients_version=patients_version,
        study=study,
        series={row.series_uid: row for row in series_of(database, key)},
        tallies=_tallies(database, key),
        contents=_contents(database, key, sop_uids),
        patients=_patients(database, key) + _announced(study),
    )


def _announced(study: StudyRow) -> list[Patient]:
    """A row that no instance has given its words has those of its origin."""
    if study.source_digest:
        return []
    return [
        Patient(
            key=PatientKey(issuer=study.patient_issuer, id=study.patient_id),
            name=study.patient_name,
            birth_date=study.birth_date,
            sex=study.sex,
        )
    ]


def _tallies(database: Database, key: StudyKey) -> dict[str, Tally]:
    rows = database.read(
        "SELECT series_uid, count(*) AS n, sum(data_bytes) AS bytes FROM instance"
        " WHERE origin = ? AND study_uid = ? AND state = 'chosen' GROUP BY series_uid",
        (key.origin, key.study_uid),
    )
    return {
        text(row, "series_uid"): Tally(instances=integer(row, "n"), bytes=integer(row, "bytes"))
        for row in rows
    }


def _contents(database: Database, key: StudyKey, sop_uids: Sequence[str]) -> dict[str, list[InstanceRow]]:
    found: dict[str, list[InstanceRow]] = {}
    for at in range(0, len(sop_uids), _CHUNK):
        chunk = sop_uids[at : at + _CHUNK]
        rows = read_as(
            database,
            InstanceRow,
            "SELECT * FROM instance WHERE origin = ? AND study_uid = ?"
            f" AND sop_uid IN ({', '.join('?' * len(chunk))})",
            (key.origin, key.study_uid, *chunk),
        )
        for row in rows:
            found.setdefault(row.sop_uid, []).append(row)
    return found


def _patients(database: Database, key: StudyKey) -> list[Patient]:
    rows = database.read(
        "SELECT * FROM study_identity WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )
    return [
        Patient(
            key=PatientKey(issuer=text(row, "patient_issuer"), id=text(row, "patient_id")),
            name=text(row, "patient_name"),
            birth_date=text(row, "birth_date"),
            sex=text(row, "sex"),
        )
        for row in rows
    ]
