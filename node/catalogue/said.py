"""The words that a corrected study's instances say, kept beside the row that shows corrected ones.

Registration goes on from these as if nothing were corrected; the row shown is
always what the standing corrections make of them. A study without corrections has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from node.canonical import canonical_json
from node.catalogue.identity import Patient
from node.catalogue.overlays import series_as_corrected, study_as_corrected, write_overlay
from node.catalogue.resolving import Resolution, Spoken
from node.catalogue.search import SeriesRow, StudyRow
from node.database.port import Database, Statement, integer, text
from node.names import PatientKey, StudyKey

_STUDY = (
    "patient_issuer",
    "patient_id",
    "patient_name",
    "sex",
    "birth_date",
    "study_date",
    "study_time",
    "accession_issuer",
    "accession",
    "description",
    "modalities",
    "body_parts",
)
_SERIES = ("modality", "description", "body_part", "laterality")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A study's rows as its instances have them."""

    study: StudyRow
    series: Mapping[str, SeriesRow]

    @property
    def patient(self) -> Patient:
        return patient_in(self.study)


def read_said(database: Database, study: StudyRow, series: Mapping[str, SeriesRow]) -> Said:
    """Give what the instances say of a study whose rows are these; the rows themselves when nothing is corrected."""
    rows = database.read(
        "SELECT series_uid, words FROM said WHERE origin = ? AND study_uid = ?",
        (study.origin, study.study_uid),
    )
    words = {
        text(row, "series_uid"): msgspec.json.decode(text(row, "words").encode(), type=dict[str, str])
        for row in rows
    }
    return Said(
        study=replace(study, **words.get("", {})),  # type: ignore[arg-type]  # names and types are the columns'
        series={uid: replace(row, **words.get(uid, {})) for uid, row in series.items()},  # type: ignore[arg-type]
    )


def patient_in(row: StudyRow) -> Patient:
    """Give the patient whom a study's row names."""
    return Patient(
        key=PatientKey(issuer=row.patient_issuer, id=row.patient_id),
        name=row.patient_name,
        birth_date=row.birth_date,
        sex=row.sex,
    )


def spoken_of(database: Database, key: StudyKey) -> list[Spoken]:
    """Give all the ways in which a study's instances name the patient."""
    rows = database.read(
        "SELECT * FROM study_identity WHERE origin = ? AND study_uid = ? ORDER BY first_at",
        (key.origin, key.study_uid),
    )
    return [
        Spoken(
            patient=Patient(
                key=PatientKey(issuer=text(row, "patient_issuer"), id=text(row, "patient_id")),
                name=text(row, "patient_name"),
                birth_date=text(row, "birth_date"),
                sex=text(row, "sex"),
            ),
            first_at=integer(row, "first_at"),
        )
        for row in rows
    ]


def shown(said: Said, resolution: Resolution) -> Said:
    """Give the rows that are shown of a study."""
    return Said(
        study=study_as_corrected(said.study, resolution.overlay, series=said.series),
        series={uid: series_as_corrected(row, resolution.overlay) for uid, row in said.series.items()},
    )


def said_statements(key: StudyKey, said: Said, resolution: Resolution) -> list[Statement]:
    """Give the statements that keep what is said and what is made of it; nothing, when no fact counts."""
    where = (key.origin, key.study_uid)
    gone = [
        Statement("DELETE FROM said WHERE origin = ? AND study_uid = ?", where),
        Statement("DELETE FROM study_correction WHERE origin = ? AND study_uid = ?", where),
    ]
    if not resolution.facts:
        return [*gone, write_overlay(key, None)]
    words = [
        ("", _words(said.study, _STUDY)),
        *((uid, _words(row, _SERIES)) for uid, row in said.series.items()),
    ]
    return [
        *gone,
        *(
            Statement(
                "INSERT INTO said (origin, study_uid, series_uid, words) VALUES (?, ?, ?, ?)",
                (*where, uid, body),
            )
            for uid, body in words
        ),
        *(
            Statement(
                "INSERT INTO study_correction (origin, study_uid, correction) VALUES (?, ?, ?)", (*where, id_)
            )
            for id_ in resolution.facts
        ),
        write_overlay(key, resolution.overlay),
    ]


def _words(row: StudyRow | SeriesRow, names: tuple[str, ...]) -> str:
    return canonical_json({name: getattr(row, name) for name in names})
