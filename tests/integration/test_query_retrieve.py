"""Query and retrieval as workstations do it: dcmtk and pynetdicom, unmodified, against a node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.events import Event

from node.catalogue.search import instances_of
from node.clock import SystemClock
from node.dicom.header import scan
from node.dimse.registration import register_refusals
from node.dimse.rules import NOTHING, OWN
from node.dimse.server import Receiver
from node.dimse.services import VERIFICATION
from node.names import StudyKey, StudyUID
from node.node import Node
from node.people.audit import find_acts
from ops.compose import compose_reading
from tests.kit.asking import Asking
from tests.kit.instances import CT_IMAGE, EXPLICIT, Encoding, make_ct, part10
from tests.kit.planting import planted
from tests.kit.receiving import admit_all, config_for, packs_of, receiving, rule
from tests.kit.registering import facts, receive
from tests.kit.shelf import SLICES, add_destination, dcmtk, put_rows, put_study, shelf
from tests.kit.storescp import storescp

STUDY_FIND, STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
IN_58 = b"\x1b$)A" + "王".encode("gb2312") + b"^\x1b$)A" + "小明".encode("gb2312")
"""Source: DICOM PS3.5 K.2."""
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[tuple[Node, Receiver]]:
    with shelf(tmp_path) as both:
        yield both


def find(
    receiver: Receiver, tmp_path: Path, *keys: str, called: str = "ALPHA", model: str = "-S"
) -> list[pydicom.Dataset]:
    """Ask with findscu, which writes each answer to a file."""
    answers = tmp_path / "answers"
    answers.mkdir()
    words = [word for key in keys for word in ("-k", key)]
    dcmtk("findscu", model, "-X", "-aec", called, *words, "127.0.0.1", str(receiver.port), cwd=answers)
    found = [pydicom.dcmread(path) for path in sorted(answers.glob("rsp*.dcm"))]
    for path in answers.iterdir():
        path.unlink()
    answers.rmdir()
    return found


def test_studies_are_found_with_all_that_was_asked(shelved: tuple[Node, Receiver], tmp_path: Path) -> None:
    _, receiver = shelved
    found = find(
        receiver, tmp_path, "QueryRetrieveLevel=STUDY", "PatientID=A-18", "PatientName", "StudyInstanceUID",
        "NumberOfStudyRelatedInstances", "ModalitiesInStudy", "StudyDate",
    )  # fmt: skip
    (one,) = found
    assert str(one.PatientName) == "Wang^Xiaoming=王^小明"
    assert (one.StudyInstanceUID, one.StudyDate, one.ModalitiesInStudy) == ("2.25.2", "20260401", "CT")
    assert (one.NumberOfStudyRelatedInstances, one.RetrieveAETitle) == (SLICES, "ALPHA")
    assert one.InstanceAvailability == "ONLINE"


def test_a_study_id_is_a_key_of_either_root(shelved: tuple[Node, Receiver], tmp_path: Path) -> None:
    """DICOM PS3.4 C.6.1.1.3, C.6.2.1.2: a required key."""
    node, receiver = shelved
    change = {0x00200010: ("SH", "CT4711")}
    given = facts(node, study_uid="2.25.4", origin=node.id, door="dicom", issuer="HIS")
    numbered = make_ct(study_uid="2.25.4", series_uid="2.25.4.1", sop_uid="2.25.4.1.1", change=change)  # type: ignore[arg-type]
    receive(node, numbered, given=given)
    keys = ("QueryRetrieveLevel=STUDY", "PatientID=A-17", "StudyInstanceUID")
    for model in ("-S", "-P"):
        (one,) = find(receiver, tmp_path, *keys, "StudyID=CT47??", model=model)
        assert (one.StudyInstanceUID, one.StudyID) == ("2.25.4", "CT4711")
        assert find(receiver, tmp_path, *keys, "StudyID=4711", model=model) == []
        others = find(receiver, tmp_path, *keys, "StudyID", model=model)
        assert sorted(str(one.StudyID or "") for one in others) == ["", "", "CT4711"]


@pytest.mark.parametrize(
    ("known_as", "asked_in", "answered_in", "written"),
    [
        ("", "", "ISO_IR 192", "王^小明".encode()),
        ("", "GB18030", "GB18030", "王^小明".encode("gb18030")),
        ("", "\\ISO 2022 IR 58", "\\ISO 2022 IR 58", IN_58),
        ("", "ISO_IR 100", "ISO_IR 192", "王^小明".encode()),
        ("GBK", "ISO_IR 192", "GBK", "王^小明".encode("gbk")),
        ("ISO 2022 IR 58", "", "\\ISO 2022 IR 58", IN_58),
    ],
)
def test_names_are_written_as_the_caller_reads_them(
    shelved: tuple[Node, Receiver], known_as: str, asked_in: str, answered_in: str, written: bytes
) -> None:
    node, receiver = shelved
    if known_as:
        add_destination(node, "WS", 11112, charset=known_as)
    encoding = Encoding()
    keys = [
        (0x00080005, "CS", asked_in),
        (0x00080052, "CS", "STUDY"),
        (0x00100010, "PN", ""),
        (0x00100020, "LO", "A-18"),
    ]
    with Asking(receiver.port, calling="WS") as asking:
        ((_, answer),) = asking.find(b"".join(encoding.element(*key) for key in keys))
    found = scan(answer, EXPLICIT)
    assert found.text(0x00080005) == answered_in
    assert found.value(0x00100010).rstrip(b" ") == b"Wang^Xiaoming=" + written  # type: ignore[union-attr]


@pytest.mark.parametrize("codec", ["gbk", "utf-8"])
def test_whoever_writes_without_a_label_is_understood_and_answered_alike(
    shelved: tuple[Node, Receiver], tmp_path: Path, codec: str
) -> None:
    _, receiver = shelved
    encoding = Encoding()
    keys = [(0x00080052, "CS", "STUDY"), (0x00100010, "PN", "=王*"), (0x0020000D, "UI", "")]
    content = b"".join(encoding.element(*key, charset=codec) for key in keys)
    with Asking(receiver.port) as asking:
        ((_, answer),) = asking.find(content)
    assert "王^小明".encode("gb18030" if codec == "gbk" else "utf-8") in answer


def test_instances_are_written_as_the_caller_reads_them(
    shelved: tuple[Node, Receiver], tmp_path: Path
) -> None:
    node, receiver = shelved
    add_destination(node, "WS", 11112, charset="GB18030")
    got: list[Dataset] = []

    def on_store(event: Event) -> int:
        got.append(event.dataset)
        return 0

    association = associated(
        receiver, STUDY_GET, CT_IMAGE,
        ext_neg=[build_role(CT_IMAGE, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, on_store)],
    )  # fmt: skip
    list(association.send_c_get(identifier("STUDY", StudyInstanceUID="2.25.2"), STUDY_GET))
    association.release()
    assert {(one.SpecificCharacterSet, str(one.PatientName)) for one in got} == {
        ("GB18030", "Wang^Xiaoming=王^小明")
    }


def test_each_level_of_both_models_answers(shelved: tuple[Node, Receiver], tmp_path: Path) -> None:
    _, receiver = shelved

    def count(level: str, *keys: str, model: str = "-S") -> int:
        return len(find(receiver, tmp_path, f"QueryRetrieveLevel={level}", *keys, model=model))

    assert count("PATIENT", "PatientID", model="-P") == 2
    assert count("STUDY", "PatientID=A-17", "StudyInstanceUID", model="-P") == 2
    assert count("STUDY", "StudyInstanceUID") == 3
    assert count("SERIES", "StudyInstanceUID=2.25.1", "SeriesInstanceUID") == 1
    assert count("IMAGE", "StudyInstanceUID=2.25.1", "SeriesInstanceUID=2.25.1.1", "SOPInstanceUID") == SLICES


def test_another_hospitals_studies_are_found_under_its_own_title_alone(
    shelved: tuple[Node, Receiver], tmp_path: Path
) -> None:
    _, receiver = shelved
    keys = ("QueryRetrieveLevel=STUDY", "PatientID=A-17", "PatientName", "StudyInstanceUID")
    own = find(receiver, tmp_path, *keys)
    other = find(receiver, tmp_path, *keys, called="BETA")
    assert {str(one.PatientName) for one in own} == {"Zhang^San"}
    assert [(str(one.PatientName), one.StudyInstanceUID) for one in other] == [("Li^Si", "2.25.9")]


def test_whom_no_rule_lets_read_finds_nothing(tmp_path: Path) -> None:
    with shelf(tmp_path, reads=NOTHING) as (_, receiver):
        words = dcmtk("findscu", "-S", "-aec", "ALPHA", "-k", "QueryRetrieveLevel=STUDY", "127.0.0.1", str(receiver.port), cwd=tmp_path, fails=True)  # fmt: skip
    assert "No presentation context" in words or "Acceptable Presentation Contexts" in words


def test_an_alias_is_not_called_by_whom_the_rule_keeps_to_the_own_hospital(tmp_path: Path) -> None:
    with shelf(tmp_path, reads=OWN) as (_, receiver):
        words = dcmtk("findscu", "-S", "-aec", "BETA", "-k", "QueryRetrieveLevel=STUDY", "127.0.0.1", str(receiver.port), cwd=tmp_path, fails=True)  # fmt: skip
    assert "Called AE Title Not Recognized" in words


@pytest.mark.parametrize("fault", ["reads-ignored", "alias-for-all", "origins-mixed"])
def test_a_planted_hole_in_who_reads_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    planted(monkeypatch, fault)
    with pytest.raises((AssertionError, ValueError)):
        GUARDED[fault](tmp_path)


def _origins_apart(tmp_path: Path) -> None:
    with shelf(tmp_path) as both:
        test_another_hospitals_studies_are_found_under_its_own_title_alone(both, tmp_path)


GUARDED = {
    "reads-ignored": test_whom_no_rule_lets_read_finds_nothing,
    "alias-for-all": test_an_alias_is_not_called_by_whom_the_rule_keeps_to_the_own_hospital,
    "origins-mixed": _origins_apart,
}


def test_echoscu_is_answered_and_storescu_stores(shelved: tuple[Node, Receiver], tmp_path: Path) -> None:
    node, receiver = shelved
    dcmtk("echoscu", "-aec", "ALPHA", "127.0.0.1", str(receiver.port), cwd=tmp_path)
    file = tmp_path / "one.dcm"
    file.write_bytes(part10(make_ct(study_uid="2.25.8", sop_uid="2.25.8.1.1"), sop_uid="2.25.8.1.1"))
    before = set(node.packs.names())
    dcmtk("storescu", "-aec", "ALPHA", "127.0.0.1", str(receiver.port), str(file), cwd=tmp_path)
    (pack,) = set(node.packs.names()) - before
    (record,) = node.packs.marked(pack, 0)
    assert record.sop_uid == "2.25.8.1.1"


def test_getscu_brings_a_study_byte_for_byte(shelved: tuple[Node, Receiver], tmp_path: Path) -> None:
    node, receiver = shelved
    out = tmp_path / "got"
    out.mkdir()
    words = dcmtk(
        "getscu", "-v", "-S", "-aec", "ALPHA", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.1",
        "-od", str(out), "+B", "127.0.0.1", str(receiver.port), cwd=tmp_path,
    )  # fmt: skip
    got = sorted(out.iterdir())
    assert len(got) == SLICES, words
    held = {data_set_of(node, row) for row in rows_of(node, "2.25.1")}
    assert {data_set_in(path) for path in got} == held


def test_movescu_sends_a_study_to_a_known_destination(shelved: tuple[Node, Receiver], tmp_path: Path) -> None:
    node, receiver = shelved
    with storescp(tmp_path / "pacs", "PACS") as pacs:
        add_destination(node, "PACS", pacs.port)
        dcmtk(
            "movescu", "-v", "-S", "-aec", "ALPHA", "-aem", "PACS", "-k", "QueryRetrieveLevel=STUDY",
            "-k", "StudyInstanceUID=2.25.2", "127.0.0.1", str(receiver.port), cwd=tmp_path,
        )  # fmt: skip
        got = pacs.received()
    assert {data_set_in(path) for path in got} == {data_set_of(node, row) for row in rows_of(node, "2.25.2")}


def test_a_planted_move_to_anywhere_is_caught(
    shelved: tuple[Node, Receiver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "move-anywhere")
    with pytest.raises(AssertionError):
        test_an_unknown_destination_gets_nothing(shelved, tmp_path)


def test_an_unknown_destination_gets_nothing(shelved: tuple[Node, Receiver], tmp_path: Path) -> None:
    node, receiver = shelved
    with storescp(tmp_path / "pacs", "PACS") as pacs:
        add_destination(node, "PACS", pacs.port, send=False)
        for title in ("PACS", "NOWHERE"):
            words = dcmtk(
                "movescu", "-v", "-S", "-aec", "ALPHA", "-aem", title, "-k", "QueryRetrieveLevel=STUDY",
                "-k", "StudyInstanceUID=2.25.2", "127.0.0.1", str(receiver.port), cwd=tmp_path, fails=True,
            )  # fmt: skip
            assert "MoveDestinationUnknown" in words.replace(" ", "") or "0xa801" in words
        assert not pacs.received()


def associated(receiver: Receiver, *contexts: str, **words: object) -> Association:
    ae = AE(ae_title="WS")
    for context in contexts:
        ae.add_requested_context(context)
    return ae.associate("127.0.0.1", receiver.port, ae_title="ALPHA", **words)  # type: ignore[arg-type]


def identifier(level: str, **keys: str) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for name, value in keys.items():
        setattr(asked, name, value)
    return asked


def test_instances_that_the_caller_does_not_take_are_counted_and_named(
    shelved: tuple[Node, Receiver],
) -> None:
    _, receiver = shelved
    roles = [build_role(MR_IMAGE, scp_role=True)]
    association = associated(receiver, STUDY_GET, MR_IMAGE, ext_neg=roles)
    answers = list(association.send_c_get(identifier("STUDY", StudyInstanceUID="2.25.1"), STUDY_GET))
    association.release()
    status, failed = answers[-1]
    assert (status.Status, status.NumberOfFailedSuboperations) == (0xA702, SLICES)
    assert failed is not None
    assert sorted(failed.FailedSOPInstanceUIDList) == [f"2.25.1.1.{n}" for n in range(1, SLICES + 1)]


def test_warnings_of_the_caller_are_counted_as_warnings(shelved: tuple[Node, Receiver]) -> None:
    _, receiver = shelved
    kept: list[str] = []

    def on_store(event: Event) -> int:
        kept.append(str(event.request.AffectedSOPInstanceUID))
        return 0xB000 if len(kept) == 1 else 0xA700 if len(kept) == 2 else 0

    association = associated(
        receiver, STUDY_GET, CT_IMAGE,
        ext_neg=[build_role(CT_IMAGE, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, on_store)],
    )  # fmt: skip
    *_, (status, failed) = association.send_c_get(identifier("STUDY", StudyInstanceUID="2.25.1"), STUDY_GET)
    association.release()
    counts = (
        status.NumberOfCompletedSuboperations,
        status.NumberOfWarningSuboperations,
        status.NumberOfFailedSuboperations,
    )
    assert (status.Status, counts) == (0xB000, (1, 1, 1))
    assert failed is not None
    assert failed.FailedSOPInstanceUIDList == kept[1]


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        (identifier("STUDY"), 0xA900, "no StudyInstanceUID"),
        (identifier("STUDY", StudyInstanceUID="2.25.*"), 0xA900, "wildcards"),
        (identifier("PATIENT", PatientID="A-17"), 0xA900, "no level"),
        (identifier("ROOM"), 0xA900, "Level is not"),
    ],
    ids=["no-key", "wildcards", "level", "no-level"],
)
def test_what_names_nothing_is_refused_with_words(
    shelved: tuple[Node, Receiver], asked: Dataset, status: int, words: str
) -> None:
    _, receiver = shelved
    association = associated(receiver, STUDY_GET, CT_IMAGE, ext_neg=[build_role(CT_IMAGE, scp_role=True)])
    *_, (answer, _) = association.send_c_get(asked, STUDY_GET)
    assert association.is_established
    association.release()
    assert answer.Status == status
    assert words in answer.ErrorComment


def test_people_of_two_issuers_with_one_patient_id_are_not_sent_as_one(
    shelved: tuple[Node, Receiver],
) -> None:
    node, receiver = shelved
    put_study(
        node, "2.25.7", patient_id="A-17", patient_name="Zhao^Wu", study_date="20260707", issuer="OLDRIS"
    )
    association = associated(receiver, PATIENT_GET, CT_IMAGE, ext_neg=[build_role(CT_IMAGE, scp_role=True)])
    *_, (answer, _) = association.send_c_get(identifier("PATIENT", PatientID="A-17"), PATIENT_GET)
    assert (answer.Status, "several people" in answer.ErrorComment) == (0xA900, True)
    got: list[str] = []
    association.bind(evt.EVT_C_STORE, lambda event: got.append(event.dataset.StudyInstanceUID) or 0)
    asked = identifier("PATIENT", PatientID="A-17", IssuerOfPatientID="alpha:OLDRIS")
    *_, (answer, _) = association.send_c_get(asked, PATIENT_GET)
    association.release()
    assert (answer.Status, set(got)) == (0, {"2.25.7"})


def test_a_query_that_is_cancelled_ends_so(tmp_path: Path) -> None:
    with shelf(tmp_path) as (node, receiver):
        put_rows(node, 3000)
        association = associated(receiver, STUDY_FIND)
        answers = association.send_c_find(identifier("STUDY", StudyInstanceUID=""), STUDY_FIND, msg_id=9)
        first, _ = next(answers)
        association.send_c_cancel(9, query_model=STUDY_FIND)
        statuses = [status.Status for status, _ in answers]
        association.release()
    assert first.Status == 0xFF00
    assert statuses[-1] == 0xFE00
    assert len(statuses) < 3000


def test_a_retrieval_that_is_cancelled_says_what_is_left(shelved: tuple[Node, Receiver]) -> None:
    _, receiver = shelved
    association = associated(receiver, STUDY_GET, CT_IMAGE, ext_neg=[build_role(CT_IMAGE, scp_role=True)])

    def on_store(event: Event) -> int:
        association.send_c_cancel(7, query_model=STUDY_GET)
        return 0

    association.bind(evt.EVT_C_STORE, on_store)
    *_, (status, _) = association.send_c_get(
        identifier("STUDY", StudyInstanceUID="2.25.1"), STUDY_GET, msg_id=7
    )
    association.release()
    assert (status.Status, status.NumberOfCompletedSuboperations) == (0xFE00, 1)
    assert status.NumberOfRemainingSuboperations == SLICES - 1


def test_who_retrieved_what_is_written_down(shelved: tuple[Node, Receiver], tmp_path: Path) -> None:
    node, receiver = shelved
    out = tmp_path / "got"
    out.mkdir()
    dcmtk(
        "getscu", "-S", "-aet", "WS1", "-aec", "ALPHA", "-k", "QueryRetrieveLevel=STUDY",
        "-k", "StudyInstanceUID=2.25.1", "-od", str(out), "127.0.0.1", str(receiver.port), cwd=tmp_path,
    )  # fmt: skip
    register_refusals(node)
    (act,) = [act for act in find_acts(node.database) if act.act == "retrieve-images"]
    assert (act.person, act.subject) == ("device/WS1/127.0.0.1", "study/alpha/2.25.1")


def test_without_a_catalogue_a_query_is_refused_and_the_association_goes_on(tmp_path: Path) -> None:
    admit_all(tmp_path, replace(rule(), reads=OWN))
    with receiving(tmp_path) as receiver:
        association = associated(receiver, STUDY_FIND, VERIFICATION)
        ((status, _),) = association.send_c_find(identifier("STUDY"), STUDY_FIND)
        assert status.Status == 0xA700
        assert association.send_c_echo().Status == 0
        association.release()


def test_a_catalogue_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    """The receiver's own way of composing it: nothing is opened for writing, nothing is made."""
    state = tmp_path / "alpha"
    state.mkdir()
    admit_all(state, replace(rule(), reads=OWN))
    packs = packs_of(state)
    with receiving(
        state, packs=packs, catalogue=lambda: compose_reading(state, config_for(), packs, SystemClock())
    ) as receiver:
        association = associated(receiver, STUDY_FIND)
        ((status, _),) = association.send_c_find(identifier("STUDY"), STUDY_FIND)
        association.release()
    assert status.Status == 0xA700
    assert not (state / "meridian.db").exists()


def rows_of(node: Node, uid: str):

    return instances_of(node.database, StudyKey(origin=node.id, study_uid=StudyUID(uid)), None)


def data_set_of(node: Node, row) -> bytes:
    return node.packs.path(row.pack).read_bytes()[row.data_offset : row.data_offset + row.data_bytes]


def data_set_in(path: Path) -> bytes:
    content = path.read_bytes()
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]
