"""The SR in its own node's catalogue: one more series of the same patient's study, and no conflict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.database.port import text
from node.imaging.phantom import make_series
from node.reporting import document
from node.reporting.content import read_content
from node.reporting.document import make_documents
from tests.kit.registering import facts, marked, receive, register_pack
from tests.kit.reports import REPORT, STUDY_UID, put_signed_report

META_AND_PREAMBLE = 132


def receive_study(node, **patient: str) -> None:
    data_sets = []
    for file in make_series(slices=3, size=16, study_uid=STUDY_UID, **patient):
        meta = int.from_bytes(file[META_AND_PREAMBLE + 8 : META_AND_PREAMBLE + 12], "little") + 12
        data_sets.append(file[META_AND_PREAMBLE + meta :])
    receive(node, *data_sets, given=facts(node, study_uid=STUDY_UID))


def register_report(node) -> int:
    (pack,) = unregistered(node)
    return register_pack(node, pack).instances


def unregistered(node) -> list[str]:
    return [pack for pack in node.packs.names() if marked(node, pack)]


@pytest.mark.parametrize(
    "patient",
    [
        {},
        {"patient_id": ""},
        {"patient_id": "0000", "patient_name": "ANONYMOUS"},
        {"issuer": "HOSPITAL", "charset": "GB18030"},
        {"birth_date": "", "sex": "", "accession": "", "age": ""},
        {"patient_name": "OUYANG^FENG=欧阳^锋=おう"},
    ],
    ids=["usual", "no-id", "placeholder", "issuer-gb18030", "sparse", "three-groups"],
)
def test_registered_report_is_a_series_of_the_same_patient_s_study(node, patient):
    receive_study(node, **patient)
    before = node.database.read("SELECT * FROM study")[0]
    put_signed_report(node, instances=0)
    make_documents(node, REPORT.report_id)
    assert register_report(node) == 1
    after = node.database.read("SELECT * FROM study")[0]
    assert after["conflict"] == 0
    same = ("patient_issuer", "patient_id", "patient_name", "birth_date", "sex", "accession", "department")
    assert {column: after[column] for column in same} == {column: before[column] for column in same}
    series = node.database.read("SELECT series_uid, modality FROM series ORDER BY modality")
    assert [text(row, "modality") for row in series] == ["CT", "SR"]
    assert text(series[1], "series_uid") == REPORT.sr_series_uid


def test_evidence_names_the_instances_that_were_received(node):
    receive_study(node)
    put_signed_report(node, instances=0)
    row, _content = read_content(node, REPORT.report_id)
    received = node.database.read("SELECT sop_uid FROM instance ORDER BY sop_uid")
    assert sorted(one.sop_uid for one in document._evidence(node, row)) == [
        row["sop_uid"] for row in received
    ]


def test_sr_stored_again_after_a_crash_is_counted_and_dropped(node):
    receive_study(node)
    put_signed_report(node, instances=0)
    row, content = read_content(node, REPORT.report_id)
    sr = document.keep_sr(node, row, content)
    for _ in range(2):
        document._store(node, row, content, sr)
    first, second = unregistered(node)
    assert register_pack(node, first).instances == 1
    again = register_pack(node, second)
    assert (again.instances, again.repeated) == (0, 1)
    assert node.database.read("SELECT conflict FROM study")[0]["conflict"] == 0


def test_made_again_when_the_sr_is_registered_nothing_is_stored(node):
    receive_study(node)
    put_signed_report(node, instances=0)
    row, content = read_content(node, REPORT.report_id)
    document._store(node, row, content, document.keep_sr(node, row, content))
    register_report(node)
    packs = node.packs.names()
    make_documents(node, REPORT.report_id)
    assert node.packs.names() == packs


def test_sr_that_spoke_of_somebody_else_would_be_a_conflict(node):
    """A planted fault: the catalogue does notice when the SR's patient is not that of the images."""
    receive_study(node)
    put_signed_report(node, instances=0)
    row, content = read_content(node, REPORT.report_id)
    other = replace(content, study=replace(content.study, patient_id="Q7", patient_name="WANG^WU=王^五"))
    document._store(node, row, other, document.keep_sr(node, row, other))
    register_report(node)
    assert node.database.read("SELECT conflict FROM study")[0]["conflict"] == 2
