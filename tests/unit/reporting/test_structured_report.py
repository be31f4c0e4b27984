from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import replace

import pydicom
import pytest

from node.reporting.structured_report import Evidence, make_sr, person_name, read_part10
from tests.kit.reports import FINDINGS, IMPRESSION, QUESTION, REPORT, STUDY, STUDY_UID, report_content

CT = "1.2.840.10008.5.1.4.1.1.2"
EVIDENCE = [
    Evidence(series_uid=f"2.25.{series}", sop_class=CT, sop_uid=f"2.25.{series}.{n}")
    for series in (7, 8)
    for n in range(3)
]


def read(sr) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(sr.part10))


def texts(dataset) -> dict[str, str]:
    """Give every TEXT item below the root by its concept's meaning."""
    found = {}
    for item in dataset.ContentSequence:
        if item.ValueType == "TEXT":
            found[item.ConceptNameCodeSequence[0].CodeMeaning] = item.TextValue
        elif item.ValueType == "CONTAINER":
            found |= texts(item)
    return found


@pytest.fixture(scope="module")
def sr():
    return read(make_sr(report_content(), EVIDENCE))


def test_findings_and_impression_are_what_was_written(sr):
    written = texts(sr)
    assert written["Finding"].splitlines() == FINDINGS.splitlines()
    assert written["Impression"].splitlines() == IMPRESSION.splitlines()
    assert written["History"] == QUESTION.history
    assert written["Request"].splitlines() == [QUESTION.reason, QUESTION.aim]


def test_patient_and_study_are_those_of_the_images(sr):
    assert sr.PatientName == STUDY.patient_name
    assert (sr.PatientID, sr.PatientBirthDate, sr.PatientSex) == ("P000137", "19670412", "M")
    assert (sr.StudyInstanceUID, sr.AccessionNumber, sr.StudyDate) == (STUDY_UID, STUDY.accession, "20260302")
    assert "IssuerOfPatientID" not in sr


def test_uids_are_those_drawn_at_signing(sr):
    assert (sr.SOPInstanceUID, sr.SeriesInstanceUID) == (REPORT.sr_uid, REPORT.sr_series_uid)
    assert sr.file_meta.MediaStorageSOPInstanceUID == REPORT.sr_uid


def test_signer_is_observer_and_verifier_at_the_time_of_signing(sr):
    (verifier,) = sr.VerifyingObserverSequence
    assert str(verifier.VerifyingObserverName).split("=")[1] == REPORT.signer_name
    assert verifier.VerifyingOrganization == REPORT.home_name
    assert verifier.VerificationDateTime == "20260302133033+0800"
    assert (sr.ContentDate, sr.ContentTime, sr.TimezoneOffsetFromUTC) == ("20260302", "133033", "+0800")
    assert (sr.CompletionFlag, sr.VerificationFlag) == ("COMPLETE", "VERIFIED")
    (observer,) = (item for item in sr.ContentSequence if item.ValueType == "PNAME")
    assert str(observer.PersonName).startswith(REPORT.signer_name)


def test_every_instance_read_is_evidence(sr):
    (study,) = sr.CurrentRequestedProcedureEvidenceSequence
    referenced = [
        Evidence(
            series_uid=series.SeriesInstanceUID,
            sop_class=one.ReferencedSOPClassUID,
            sop_uid=one.ReferencedSOPInstanceUID,
        )
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    ]
    assert study.StudyInstanceUID == STUDY_UID
    assert referenced == EVIDENCE


def test_made_twice_it_is_the_same_bytes_whatever_the_order_of_evidence():
    assert make_sr(report_content(), EVIDENCE) == make_sr(report_content(), EVIDENCE[::-1])


def test_consultation_is_titled_as_one():
    dataset = read(make_sr(report_content(kind="consultation"), []))
    assert dataset.ConceptNameCodeSequence[0].CodeMeaning == "Consultation note"


def test_file_is_taken_apart_where_it_was_put_together():
    sr = make_sr(report_content(), EVIDENCE)
    assert read_part10(sr.part10) == sr
    assert len(sr.data_set) % 2 == 0


@pytest.mark.parametrize(
    ("spoken", "written"),
    [("Dr Li", "Dr Li"), ("陈思远", "陈思远=陈思远"), ("a^b=c\\d", "a b c d"), ("  ", "")],
)
def test_spoken_name_becomes_a_person_name(spoken, written):
    assert person_name(spoken) == written


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["diagnosis", "consultation"])
@pytest.mark.parametrize("evidence", [EVIDENCE, []], ids=["images", "none"])
def test_dciodvfy_finds_no_error(tmp_path, kind, evidence):
    hostile = "<script>alert(1)</script>\n" + "很长的一段。" * 500
    path = tmp_path / "report.dcm"
    path.write_bytes(make_sr(report_content(kind=kind, findings=hostile), evidence).part10)
    assert errors(path) == []


@pytest.mark.peer
def test_dciodvfy_would_find_an_error(tmp_path):
    """A planted fault: without its content the document is no SR."""
    dataset = read(make_sr(report_content(), EVIDENCE))
    del dataset.VerifyingObserverSequence
    dataset.save_as(tmp_path / "broken.dcm")
    assert errors(tmp_path / "broken.dcm")


@pytest.mark.peer
def test_dcmtk_reads_the_document_tree(tmp_path):
    path = tmp_path / "report.dcm"
    path.write_bytes(make_sr(report_content(), EVIDENCE).part10)
    answer = subprocess.run(["dsrdump", path], capture_output=True, text=True, check=True)
    assert "Basic Text SR Document" in answer.stdout
    assert REPORT.signer_name in answer.stdout
    assert not any(line.startswith(("E:", "F:")) for line in answer.stderr.splitlines())


def test_age_that_is_unknown_is_left_out():
    dataset = read(make_sr(report_content(study=replace(STUDY, age="", description="")), []))
    assert "PatientAge" not in dataset
    assert "StudyDescription" not in dataset


@pytest.mark.filterwarnings("ignore:The (PN|value)")
def test_values_that_a_device_sent_wrong_do_not_stop_the_report():
    study = replace(
        STUDY,
        patient_name="A" * 80 + "=张",
        patient_id="x" * 90,
        sex="男",
        birth_date="unknown",
        age="58",
        study_date="2026.3.2",
        study_time="9:30",
        description="头\\颈",
    )
    content = report_content(study=study)
    content = replace(content, report=replace(content.report, home_name="中心\\二" * 30))
    dataset = read(make_sr(content, []))
    assert (dataset.PatientSex, dataset.PatientBirthDate, dataset.StudyDate, dataset.StudyTime) == ("",) * 4
    assert dataset.PatientID == "x" * 90
    assert len(dataset.InstitutionName.encode()) <= 64


def errors(path) -> list[str]:
    assert shutil.which("dciodvfy"), "install dicom3tools"
    answer = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    return [line for line in answer.stderr.splitlines() if line.startswith("Error")]
