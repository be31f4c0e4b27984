"""The attributes that C-FIND answers with: tag, VR, level, and where each stands in the catalogue's rows.

Which of them are matched on, and how, is `node.catalogue.matching`'s.

Source: DICOM PS3.4 C.6.1.1 (Patient Root), C.6.2.1 (Study Root), C.3.4 (what is counted); PS3.6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import msgspec

from node.catalogue.finding import PatientRow
from node.catalogue.matching import QueryLevel
from node.catalogue.search import InstanceRow, SeriesRow, StudyRow

Row = TypeVar("Row")
PATIENT, STUDY, SERIES, INSTANCE = QueryLevel


@dataclass(frozen=True, slots=True)
class Found:
    """One answer's rows: its own level's and those above."""

    patient: PatientRow | None = None
    study: StudyRow | None = None
    series: SeriesRow | None = None
    instance: InstanceRow | None = None


@dataclass(frozen=True, slots=True)
class QueryKey:
    """An attribute that may be asked for."""

    keyword: str
    vr: bytes
    level: QueryLevel
    value: Callable[[Found], str]
    """As text; empty when nothing is known."""


def _of_patient(name: str) -> Callable[[Found], str]:
    def value(found: Found) -> str:
        row = found.study or found.patient
        return str(getattr(row, name)) if row is not None else ""

    return value


def _of_study(name: str) -> Callable[[Found], str]:
    return lambda found: _text(getattr(found.study, name, None))


def _of_series(name: str) -> Callable[[Found], str]:
    return lambda found: _text(getattr(found.series, name, None))


def _of_instance(name: str) -> Callable[[Found], str]:
    return lambda found: _text(getattr(found.instance, name, None))


def _counted(name: str) -> Callable[[Found], str]:
    """Give a count of a patient; only answers at her own level have it."""
    return lambda found: _text(getattr(found.patient, name, None))


def _text(value: object) -> str:
    return "" if value is None else str(value)


@lru_cache(maxsize=256)
def _joined(listed: str) -> str:
    """Give a JSON list as a value; studies have few different ones."""
    return "\\".join(msgspec.json.decode(listed, type=list[str]))


def _modalities(found: Found) -> str:
    return _joined(found.study.modalities) if found.study is not None else ""


def _sop_classes(found: Found) -> str:
    return _joined(found.study.sop_classes) if found.study is not None else ""


KEYS: dict[int, QueryKey] = {
    0x00080016: QueryKey("SOPClassUID", b"UI", INSTANCE, _of_instance("sop_class")),
    0x00080018: QueryKey("SOPInstanceUID", b"UI", INSTANCE, _of_instance("sop_uid")),
    0x00080020: QueryKey("StudyDate", b"DA", STUDY, _of_study("study_date")),
    0x00080030: QueryKey("StudyTime", b"TM", STUDY, _of_study("study_time")),
    0x00080050: QueryKey("AccessionNumber", b"SH", STUDY, _of_study("accession")),
    0x00080060: QueryKey("Modality", b"CS", SERIES, _of_series("modality")),
    0x00080061: QueryKey("ModalitiesInStudy", b"CS", STUDY, _modalities),
    0x00080062: QueryKey("SOPClassesInStudy", b"UI", STUDY, _sop_classes),
    0x00080090: QueryKey("ReferringPhysicianName", b"PN", STUDY, _of_study("referring_physician")),
    0x00081030: QueryKey("StudyDescription", b"LO", STUDY, _of_study("description")),
    0x0008103E: QueryKey("SeriesDescription", b"LO", SERIES, _of_series("description")),
    0x00083002: QueryKey("AvailableTransferSyntaxUID", b"UI", INSTANCE, _of_instance("transfer_syntax")),
    0x00100010: QueryKey("PatientName", b"PN", PATIENT, _of_patient("patient_name")),
    0x00100020: QueryKey("PatientID", b"LO", PATIENT, _of_patient("patient_id")),
    0x00100021: QueryKey("IssuerOfPatientID", b"LO", PATIENT, _of_patient("patient_issuer")),
    0x00100030: QueryKey("PatientBirthDate", b"DA", PATIENT, _of_patient("birth_date")),
    0x00100040: QueryKey("PatientSex", b"CS", PATIENT, _of_patient("sex")),
    0x00101010: QueryKey("PatientAge", b"AS", STUDY, _of_study("age")),
    0x00180015: QueryKey("BodyPartExamined", b"CS", SERIES, _of_series("body_part")),
    0x0020000D: QueryKey("StudyInstanceUID", b"UI", STUDY, _of_study("study_uid")),
    0x0020000E: QueryKey("SeriesInstanceUID", b"UI", SERIES, _of_series("series_uid")),
    0x00200010: QueryKey("StudyID", b"SH", STUDY, _of_study("study_id")),
    0x00200011: QueryKey("SeriesNumber", b"IS", SERIES, _of_series("number")),
    0x00200013: QueryKey("InstanceNumber", b"IS", INSTANCE, _of_instance("number")),
    0x00200060: QueryKey("Laterality", b"CS", SERIES, _of_series("laterality")),
    0x00201200: QueryKey("NumberOfPatientRelatedStudies", b"IS", PATIENT, _counted("study_count")),
    0x00201202: QueryKey("NumberOfPatientRelatedSeries", b"IS", PATIENT, _counted("series_count")),
    0x00201204: QueryKey("NumberOfPatientRelatedInstances", b"IS", PATIENT, _counted("instance_count")),
    0x00201206: QueryKey("NumberOfStudyRelatedSeries", b"IS", STUDY, _of_study("series_count")),
    0x00201208: QueryKey("NumberOfStudyRelatedInstances", b"IS", STUDY, _of_study("instance_count")),
    0x00201209: QueryKey("NumberOfSeriesRelatedInstances", b"IS", SERIES, _of_series("instance_count")),
    0x00280008: QueryKey("NumberOfFrames", b"IS", INSTANCE, _of_instance("frames")),
    0x00280010: QueryKey("Rows", b"US", INSTANCE, _of_instance("rows")),
    0x00280011: QueryKey("Columns", b"US", INSTANCE, _of_instance("columns")),
}
"""By tag. Counts of a patient are of those studies that the query found."""
