"""What workstations and remote AEs get of a corrected study: C-FIND, C-GET, C-MOVE with dcmtk, and what transfers send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from node.catalogue.correction_drafts import draft_merge, draft_rejection
from node.catalogue.corrections import make_correction, undo_correction
from node.catalogue.search import get_study, instances_of
from node.dicom.attributes import read_attributes
from node.dicom.header import scan
from node.dimse.server import Receiver
from node.names import NodeId, PatientKey, StudyKey, StudyUID
from node.node import Node
from node.people.accounts import Person
from node.transfers.sending import outgoing_of
from tests.integration.test_query_retrieve import find
from tests.kit.shelf import SLICES, add_destination, dcmtk, shelf
from tests.kit.storescp import storescp

CHEN = Person(id="p1", user="chen", name="Chen", roles=frozenset({"technician"}))
STUDY = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID("2.25.1"))


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[tuple[Node, Receiver]]:
    with shelf(tmp_path) as both:
        yield both


def merged(node: Node) -> str:
    """Make the patient of the first study that of the second; gives the correction."""
    first = get_study(node.database, STUDY)
    second = get_study(node.database, StudyKey(origin=STUDY.origin, study_uid=StudyUID("2.25.2")))
    goes, stays = (PatientKey(issuer=row.patient_issuer, id=row.patient_id) for row in (first, second))
    return make_correction(node, CHEN, draft_merge(node, goes, stays), reason="Same person")


def got(receiver: Receiver, folder: Path) -> list[pydicom.Dataset]:
    folder.mkdir()
    dcmtk(
        "getscu", "-S", "-aec", "ALPHA", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.1",
        "-od", str(folder), "127.0.0.1", str(receiver.port), cwd=folder,
    )  # fmt: skip
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


def test_after_a_merge_every_way_of_asking_gives_the_other_s_id(
    shelved: tuple[Node, Receiver], tmp_path: Path
) -> None:
    node, receiver = shelved
    before = get_study(node.database, STUDY).patient_id
    fact = merged(node)
    after = get_study(node.database, STUDY)
    assert before != after.patient_id
    assert (
        find(receiver, tmp_path, "QueryRetrieveLevel=STUDY", f"PatientID={before}", "StudyInstanceUID") == []
    )
    keys = ("QueryRetrieveLevel=STUDY", "StudyInstanceUID=2.25.1", "PatientName", "PatientID")
    (one,) = find(receiver, tmp_path, *keys)
    assert (one.PatientID, str(one.PatientName)) == (after.patient_id, after.patient_name)
    for data_set in got(receiver, tmp_path / "got"):
        assert (data_set.PatientID, str(data_set.PatientName)) == (after.patient_id, after.patient_name)
        original = data_set.OriginalAttributesSequence[-1].ModifiedAttributesSequence[0]
        assert original.PatientID == before
    with storescp(tmp_path / "pacs", "PACS") as pacs:
        add_destination(node, "PACS", pacs.port)
        dcmtk(
            "movescu", "-S", "-aec", "ALPHA", "-aem", "PACS", "-k", "QueryRetrieveLevel=STUDY",
            "-k", "StudyInstanceUID=2.25.1", "127.0.0.1", str(receiver.port), cwd=tmp_path,
        )  # fmt: skip
        moved = {pydicom.dcmread(path).PatientID for path in pacs.received()}
    assert moved == {after.patient_id}
    sent = {
        read_attributes(scan(b"".join(outgoing_of(node, row).read()), row.transfer_syntax)).study.patient_id
        for row in instances_of(node.database, STUDY)
    }
    assert sent == {after.patient_id}
    undo_correction(node, CHEN, fact, reason="Two people")
    assert {data_set.PatientID for data_set in got(receiver, tmp_path / "again")} == {before}


def test_rejected_instances_are_neither_found_nor_given(
    shelved: tuple[Node, Receiver], tmp_path: Path
) -> None:
    node, receiver = shelved
    first = instances_of(node.database, STUDY)[0]
    make_correction(node, CHEN, draft_rejection(node, STUDY, sop_uids=[first.sop_uid]), reason="Motion")
    found = find(
        receiver, tmp_path, "QueryRetrieveLevel=IMAGE", "StudyInstanceUID=2.25.1",
        f"SeriesInstanceUID={first.series_uid}", "SOPInstanceUID",
    )  # fmt: skip
    assert first.sop_uid not in {one.SOPInstanceUID for one in found}
    given = {one.SOPInstanceUID for one in got(receiver, tmp_path / "got")}
    assert len(given) == SLICES - 1
    assert first.sop_uid not in given
    fact = make_correction(node, CHEN, draft_rejection(node, STUDY), reason="All of it")
    assert find(receiver, tmp_path, "QueryRetrieveLevel=STUDY", "StudyInstanceUID=2.25.1") == []
    undo_correction(node, CHEN, fact, reason="Not all")
    assert len(find(receiver, tmp_path, "QueryRetrieveLevel=STUDY", "StudyInstanceUID=2.25.1")) == 1
