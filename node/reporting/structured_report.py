"""The signed report as a DICOM Basic Text SR, so that any PACS files it beside its images.

Findings and impression are TEXT items under the headings of TID 2000; the signer
is observer and verifier. Written with pydicom alone: highdicom has no Basic Text
SR, and importing it costs the worker 84 MB.

Source: DICOM PS3.3 A.35.1 (IOD), C.17; PS3.16 TID 2000, TID 1001, TID 1204, CID 7001, CID 7002.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from node.names import SeriesUID, SOPClassUID, SOPInstanceUID
from node.reporting.content import ReportContent

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset

BASIC_TEXT_SR = SOPClassUID("1.2.840.10008.5.1.4.1.1.88.11")
EXPLICIT_LE = "1.2.840.10008.1.2.1"
SERIES_NUMBER = 9900
_PREAMBLE_BYTES = 132
Code = tuple[str, str, str]
"""Value, scheme, meaning."""

_TITLES: dict[str, Code] = {
    "diagnosis": ("18748-4", "LN", "Diagnostic Imaging Report"),
    "consultation": ("11488-4", "LN", "Consultation note"),
}
_HISTORY: Code = ("121060", "DCM", "History")
_REQUEST: Code = ("121062", "DCM", "Request")
_FINDINGS: tuple[Code, Code] = (("121070", "DCM", "Findings"), ("121071", "DCM", "Finding"))
_IMPRESSIONS: tuple[Code, Code] = (("121072", "DCM", "Impressions"), ("121073", "DCM", "Impression"))
_FORMS = {"AS": r"\d{3}[DWMY]", "CS": r"[MFO]", "DA": r"\d{8}", "TM": r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One instance that the report was made from."""

    series_uid: SeriesUID
    sop_class: SOPClassUID
    sop_uid: SOPInstanceUID


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredReport:
    """An SR ready to be stored: file meta information and data set apart, as a pack holds them."""

    file_meta: bytes
    """Group 2, without preamble."""
    data_set: bytes

    @property
    def part10(self) -> bytes:
        return bytes(_PREAMBLE_BYTES - 4) + b"DICM" + self.file_meta + self.data_set


def make_sr(content: ReportContent, evidence: Sequence[Evidence]) -> StructuredReport:
    """Write a report as an SR; the same content and evidence give the same bytes."""
    from pydicom.dataset import Dataset

    sr = Dataset()
    _describe_patient_and_study(sr, content)
    _describe_document(sr, content)
    _reference_evidence(sr, content.report.study_uid, evidence)
    sr.ValueType = "CONTAINER"
    sr.ConceptNameCodeSequence = [_code(_TITLES[content.question.kind])]
    sr.ContinuityOfContent = "SEPARATE"
    sr.ContentTemplateSequence = [_dataset(MappingResource="DCMR", TemplateIdentifier="2000")]
    sr.ContentSequence = _content(content)
    return _written(sr)


def read_part10(file: bytes) -> StructuredReport:
    """Take apart a file that `StructuredReport.part10` gave.

    Source: DICOM PS3.10 7.1.
    """
    (rest,) = struct.unpack_from("<L", file, _PREAMBLE_BYTES + 8)
    end = _PREAMBLE_BYTES + 12 + rest
    return StructuredReport(file_meta=file[_PREAMBLE_BYTES:end], data_set=file[end:])


def _describe_patient_and_study(sr: Dataset, content: ReportContent) -> None:
    """Give the same patient and study as the images have, or a PACS would file it apart.

    A date, time, age or sex that its VR cannot carry is left empty: devices send such, and paper shows them.
    """
    study = content.study
    sr.SpecificCharacterSet = "ISO_IR 192"
    sr.PatientName = study.patient_name
    sr.PatientID = study.patient_id
    sr.PatientBirthDate = _valid("DA", study.birth_date)
    sr.PatientSex = _valid("CS", study.sex)
    if _valid("AS", study.age):
        sr.PatientAge = study.age
    sr.StudyInstanceUID = content.report.study_uid
    sr.StudyDate = _valid("DA", study.study_date)
    sr.StudyTime = _valid("TM", study.study_time)
    sr.ReferringPhysicianName = study.referring_physician
    sr.StudyID = ""
    sr.AccessionNumber = study.accession
    if study.description:
        sr.StudyDescription = study.description


def _describe_document(sr: Dataset, content: ReportContent) -> None:
    """Say which document this is, when it was signed, and who stands for it.

    Source: DICOM PS3.3 C.17.1, C.17.2, C.7.5.1.
    """
    report, signed = content.report, content.signed_at
    sr.SOPClassUID = BASIC_TEXT_SR
    sr.SOPInstanceUID = report.sr_uid
    sr.Modality = "SR"
    sr.SeriesInstanceUID = report.sr_series_uid
    sr.SeriesNumber = SERIES_NUMBER
    sr.SeriesDescription = "远程会诊意见" if content.question.kind == "consultation" else "远程诊断报告"
    sr.ReferencedPerformedProcedureStepSequence = []
    sr.Manufacturer = "Meridian"
    sr.InstitutionName = _organization(content)
    sr.InstanceNumber = report.version
    sr.TimezoneOffsetFromUTC = signed.strftime("%z")
    sr.SeriesDate = sr.ContentDate = sr.InstanceCreationDate = signed.strftime("%Y%m%d")
    sr.SeriesTime = sr.ContentTime = sr.InstanceCreationTime = signed.strftime("%H%M%S")
    sr.CompletionFlag = "COMPLETE"
    sr.VerificationFlag = "VERIFIED"
    sr.VerifyingObserverSequence = [
        _dataset(
            VerifyingObserverName=person_name(report.signer_name),
            VerifyingOrganization=_organization(content),
            VerificationDateTime=_date_time(signed),
            VerifyingObserverIdentificationCodeSequence=[],
        )
    ]
    sr.PerformedProcedureCodeSequence = []


def _reference_evidence(sr: Dataset, study_uid: str, evidence: Sequence[Evidence]) -> None:
    """Name the instances that were read, by series.

    Source: DICOM PS3.3 C.17.2 (Current Requested Procedure Evidence Sequence).
    """
    series: dict[str, list[Dataset]] = {}
    for one in sorted(evidence, key=lambda one: (one.series_uid, one.sop_uid)):
        reference = _dataset(ReferencedSOPClassUID=one.sop_class, ReferencedSOPInstanceUID=one.sop_uid)
        series.setdefault(one.series_uid, []).append(reference)
    if series:
        sr.CurrentRequestedProcedureEvidenceSequence = [
            _dataset(
                StudyInstanceUID=study_uid,
                ReferencedSeriesSequence=[
                    _dataset(SeriesInstanceUID=uid, ReferencedSOPSequence=references)
                    for uid, references in series.items()
                ],
            )
        ]


def _content(content: ReportContent) -> list[Dataset]:
    report, question = content.report, content.question
    asked = "\n".join(words for words in (question.reason, question.aim) if words.strip())
    items = [_language(), *_observer(content)]
    if question.history.strip():
        items.append(_section(_HISTORY, (_HISTORY, question.history)))
    if asked:
        items.append(_section(_REQUEST, (_REQUEST, asked)))
    for (heading, concept), words in ((_FINDINGS, report.findings), (_IMPRESSIONS, report.impression)):
        items.append(_section(heading, (concept, words)))
    return items


def _language() -> Dataset:
    """Say that the text is Chinese.

    Source: DICOM PS3.16 TID 1204.
    """
    return _dataset(
        RelationshipType="HAS CONCEPT MOD",
        ValueType="CODE",
        ConceptNameCodeSequence=[_code(("121049", "DCM", "Language of Content Item and Descendants"))],
        ConceptCodeSequence=[_code(("zh-CN", "RFC5646", "Chinese (China)"))],
    )


def _observer(content: ReportContent) -> list[Dataset]:
    """Say who looked at the images.

    Source: DICOM PS3.16 TID 1002, TID 1003.
    """
    context = {"RelationshipType": "HAS OBS CONTEXT"}
    return [
        _dataset(
            **context,
            ValueType="CODE",
            ConceptNameCodeSequence=[_code(("121005", "DCM", "Observer Type"))],
            ConceptCodeSequence=[_code(("121006", "DCM", "Person"))],
        ),
        _dataset(
            **context,
            ValueType="PNAME",
            ConceptNameCodeSequence=[_code(("121008", "DCM", "Person Observer Name"))],
            PersonName=person_name(content.report.signer_name),
        ),
        _dataset(
            **context,
            ValueType="TEXT",
            ConceptNameCodeSequence=[_code(("121009", "DCM", "Person Observer's Organization Name"))],
            TextValue=content.report.home_name or content.report.home,
        ),
    ]


def _section(heading: Code, words: tuple[Code, str]) -> Dataset:
    concept, text = words
    return _dataset(
        RelationshipType="CONTAINS",
        ValueType="CONTAINER",
        ConceptNameCodeSequence=[_code(heading)],
        ContinuityOfContent="SEPARATE",
        ContentSequence=[
            _dataset(
                RelationshipType="CONTAINS",
                ValueType="TEXT",
                ConceptNameCodeSequence=[_code(concept)],
                TextValue="\r\n".join(text.strip().splitlines()),
            )
        ],
    )


def _organization(content: ReportContent) -> str:
    """Give the reading hospital's name as an LO, kept to 64 bytes since readers count those, not characters."""
    name = (content.report.home_name or content.report.home).replace("\\", "/")
    return name.encode()[:64].decode(errors="ignore").strip()


def _valid(vr: str, value: str) -> str:
    return value if re.fullmatch(_FORMS[vr], value) else ""


def person_name(spoken: str) -> str:
    """Give a name as people write it as a PN.

    A Chinese one stands in the ideographic group, where it belongs, and in the
    first as well, since many displays show no other.

    Source: DICOM PS3.5 6.2.1.
    """
    clean = " ".join(spoken.translate(dict.fromkeys(map(ord, "^=\\"), " ")).split())
    return clean if clean.isascii() else f"{clean}={clean}"


def _code(code: Code) -> Dataset:
    value, scheme, meaning = code
    return _dataset(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _dataset(**attributes: object) -> Dataset:
    from pydicom.dataset import Dataset

    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def _date_time(at: datetime) -> str:
    """Give a DT with its offset from UTC.

    Source: DICOM PS3.5 6.2 (DT).
    """
    return at.strftime("%Y%m%d%H%M%S%z")


def _written(sr: Dataset) -> StructuredReport:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset, write_file_meta_info

    body = DicomBytesIO()
    body.is_little_endian, body.is_implicit_VR = True, False
    write_dataset(body, sr)
    meta = DicomBytesIO()
    write_file_meta_info(meta, _file_meta(sr), enforce_standard=True)
    return StructuredReport(file_meta=meta.getvalue(), data_set=body.getvalue())


def _file_meta(sr: Dataset) -> FileMetaDataset:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sr.SOPClassUID
    meta.MediaStorageSOPInstanceUID = sr.SOPInstanceUID
    meta.TransferSyntaxUID = UID(EXPLICIT_LE)
    return meta
