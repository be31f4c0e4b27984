from __future__ import annotations

import io
from dataclasses import dataclass

import pydicom
import pytest

from node.canonical import digest_of
from node.database.port import Statement, integer, text
from node.dimse.remote_form import RemoteForm
from node.dimse.remotes import add_remote
from node.errors import NotFound
from node.reporting import document
from node.reporting.document import make_documents, pdf_path, sr_path
from tests.kit.reports import FINDINGS, REPORT, put_signed_report


@dataclass(frozen=True)
class Administrator:
    id: str = "person-1"


def add_pacs(node, name="PACS", *, enabled=True):
    form = RemoteForm(reports=True, name=name, aet=name, host="127.0.0.1", port=104, enabled=enabled)
    return add_remote(node, Administrator(), form)


def stored(node):
    """Give every instance in the packs."""
    return [record for pack in node.packs.names() for record in node.packs.marked(pack, 0)]


def test_report_gets_a_pdf_an_sr_in_the_store_and_says_so(node):
    put_signed_report(node)
    make_documents(node, REPORT.report_id)
    row = node.database.read("SELECT documents, pdf_path FROM report")[0]
    assert row == {"documents": "made", "pdf_path": f"documents/{REPORT.report_id}.pdf"}
    assert (node.state / text(row, "pdf_path")).read_bytes().startswith(b"%PDF")
    (record,) = stored(node)
    assert (record.sop_uid, record.facts.door, record.facts.origin) == (REPORT.sr_uid, "report", "alpha")
    assert record.facts.cause == "cause-1"


def test_stored_instance_is_a_readable_sr_of_the_study(node):
    put_signed_report(node, instances=3)
    make_documents(node, REPORT.report_id)
    (record,) = stored(node)
    file = node.packs.read_file(record.location)
    assert FINDINGS.splitlines()[0].encode() in file
    sr = pydicom.dcmread(io.BytesIO(file))
    (study,) = sr.CurrentRequestedProcedureEvidenceSequence
    assert len(study.ReferencedSeriesSequence[0].ReferencedSOPSequence) == 3


def test_run_again_nothing_changes(node):
    put_signed_report(node)
    make_documents(node, REPORT.report_id)
    before = (pdf_path(node, REPORT.report_id).read_bytes(), len(stored(node)), node.journal.head())
    make_documents(node, REPORT.report_id)
    assert (pdf_path(node, REPORT.report_id).read_bytes(), len(stored(node)), node.journal.head()) == before


def test_run_again_after_a_crash_before_the_end_gives_the_same_bytes_though_images_came_since(
    node, monkeypatch
):
    put_signed_report(node, instances=3)

    def crash(*_args, **_kwargs):
        raise OSError("the machine stopped here")

    with monkeypatch.context() as broken:
        broken.setattr(document, "_finish", crash)
        with pytest.raises(OSError, match="stopped"):
            make_documents(node, REPORT.report_id)
    first = sr_path(node, REPORT.report_id).read_bytes()
    put_signed_report(node, instances=5)
    make_documents(node, REPORT.report_id)
    assert sr_path(node, REPORT.report_id).read_bytes() == first
    assert len({record.digest for record in stored(node)}) == 1


def test_sr_that_is_registered_is_not_stored_again(node):
    put_signed_report(node)
    row = document.get_report(node.database, REPORT.report_id)
    digest = digest_of(document.keep_sr(node, row).data_set)
    columns = "origin, study_uid, series_uid, sop_class, transfer_syntax, frames, pack, offset, meta_bytes,"
    columns += " data_offset, data_bytes, state, received_at"
    node.write(
        [
            Statement(
                f"INSERT INTO online_instance (sop_uid, digest, normal_digest, door, {columns})"
                f" SELECT ?, ?, ?, 'report', {columns} FROM instance LIMIT 1",
                (REPORT.sr_uid, digest, digest),
            )
        ]
    )
    make_documents(node, REPORT.report_id)
    assert stored(node) == []


def test_own_sr_is_not_evidence_for_itself(node):
    put_signed_report(node, instances=2)
    node.write([Statement("UPDATE online_instance SET door = 'report' WHERE number = 2")])
    row = document.get_report(node.database, REPORT.report_id)
    assert [one.sop_uid for one in document._evidence(node, row)] == ["2.25.1001.1"]


def test_each_enabled_destination_gets_one_delivery_and_its_job(node):
    wanted = [add_pacs(node, "ONE"), add_pacs(node, "TWO")]
    add_pacs(node, "OFF", enabled=False)
    put_signed_report(node)
    make_documents(node, REPORT.report_id)
    rows = node.database.read("SELECT id, destination, state, cause FROM delivery")
    assert {text(row, "destination") for row in rows} == {one.id for one in wanted}
    assert {(text(row, "state"), text(row, "cause")) for row in rows} == {("waiting", "cause-1")}
    jobs = node.database.read("SELECT name, args FROM job ORDER BY args")
    assert [text(job, "name") for job in jobs] == ["deliver", "deliver"]
    assert {text(job, "args") for job in jobs} == {f'{{"delivery_id":"{row["id"]}"}}' for row in rows}


def test_two_workers_at_once_ask_for_each_delivery_once(node):
    add_pacs(node)
    put_signed_report(node)
    row = document.get_report(node.database, REPORT.report_id)
    for _ in range(2):
        document._finish(node, row, sr_bytes=1, pdf_bytes=1)
    assert integer(node.database.read("SELECT count(*) AS n FROM delivery")[0], "n") == 1


def test_making_is_an_event_of_the_same_cause(node):
    put_signed_report(node)
    make_documents(node, REPORT.report_id)
    (record,) = node.journal.of(f"documents/{REPORT.report_id}")
    assert (record.type, record.cause) == ("documents-made/2", "cause-1")


def test_report_made_elsewhere_is_left_alone(node):
    put_signed_report(node)
    node.write([Statement("UPDATE report SET documents = 'elsewhere'")])
    make_documents(node, REPORT.report_id)
    assert not (node.state / "documents").exists()


def test_unknown_report_and_erased_words_are_not_found(node):
    with pytest.raises(NotFound):
        make_documents(node, "nobody")
    put_signed_report(node)
    node.write([Statement("DELETE FROM text WHERE kind = 'report'")])
    with pytest.raises(NotFound, match="erased"):
        make_documents(node, REPORT.report_id)
