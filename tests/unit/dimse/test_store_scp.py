from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from node.clock import Clock
from node.dicom.part10 import read_part10
from node.dimse.classes import Classes
from node.dimse.refusals import FILE, Line, RefusalLog, read_lines
from node.dimse.rules import Admitted
from node.dimse.store_scp import OPEN_PACKS, Answer, Caller, Session, StoreRequest
from node.errors import Unavailable
from node.names import Cause, NodeId
from node.store.facts import MarkedRecord
from node.store.packs import Packs
from tests.kit.clock import FrozenClock
from tests.kit.instances import BIG, CT_IMAGE, DEFLATED, EXPLICIT, IMPLICIT, deflate, make_ct
from tests.kit.packs import open_packs
from tests.kit.planting import planted

ADMITTED = Admitted(rule="CT1@*", version=3, issuer="HIS", trust_issuer=True, department="radiology")


class Place:
    """A session with what it writes to."""

    def __init__(
        self,
        folder: Path,
        *,
        reserve_bytes: int = 0,
        clock: Clock | None = None,
        admitted: Admitted = ADMITTED,
    ) -> None:
        self.clock = clock or FrozenClock()
        self.packs: Packs = open_packs(folder / "packs", clock=self.clock, reserve_bytes=reserve_bytes)
        self.path = folder / "landing" / FILE
        self.rung = 0
        self.session = Session(
            Caller(calling="CT1", called="ALPHA", address="10.0.0.7"),
            admitted,
            node=NodeId("alpha"),
            packs=self.packs,
            clock=self.clock,
            cause=Cause("cause"),
            refusals=RefusalLog(self.path, self.clock),
            stored=self._ring,
        )

    def send(
        self,
        data_set: bytes,
        *,
        sop_uid: str = "2.25.1.1.1",
        sop_class: str = CT_IMAGE,
        syntax: str = EXPLICIT,
    ) -> Answer:
        return self.session.store(
            StoreRequest(sop_class=sop_class, sop_uid=sop_uid, transfer_syntax=syntax), memoryview(data_set)
        )

    def records(self) -> list[MarkedRecord]:
        return [record for name in self.packs.names() for record in self.packs.marked(name, 0)]

    def refused(self) -> list[Line]:
        return read_lines(self.path, 0)[0]

    def _ring(self) -> None:
        self.rung += 1


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_an_instance_is_stored_byte_for_byte_in_its_syntax(place: Place, syntax: str) -> None:
    data_set = make_ct(transfer_syntax=syntax)
    assert place.send(data_set, syntax=syntax) == Answer(status=0)
    (record,) = place.records()
    assert place.packs.read_data_set(record.location) == data_set
    assert record.digest == hashlib.sha256(data_set).hexdigest()
    file = read_part10(place.packs.read_file(record.location))
    assert (file.transfer_syntax, file.sop_class, file.sop_uid) == (syntax, CT_IMAGE, "2.25.1.1.1")
    assert bytes(file.data_set) == data_set
    assert place.rung == 0, "the answer comes first"
    place.session.tell()
    assert place.rung == 1


def test_a_record_says_what_the_association_knew(place: Place) -> None:
    place.send(make_ct())
    facts = place.records()[0].facts
    assert (facts.calling, facts.called, facts.address) == ("CT1", "ALPHA", "10.0.0.7")
    assert (facts.rule, facts.rule_version, facts.issuer, facts.department) == (
        "CT1@*",
        3,
        "HIS",
        "radiology",
    )
    assert facts.trust_issuer
    assert (facts.origin, facts.study_uid, facts.door, facts.cause) == ("alpha", "2.25.1", "dicom", "cause")
    assert facts.received_at == place.clock.now()


def test_each_study_has_its_own_pack_and_few_are_open(place: Place) -> None:
    for round_ in range(2):
        for n in range(OPEN_PACKS + 1):
            study, sop = f"2.25.{n + 1}", f"2.25.{n + 1}.1.{round_}"
            assert place.send(make_ct(study_uid=study, sop_uid=sop), sop_uid=sop).status == 0
    place.session.close()
    studies = [{record.facts.study_uid for record in place.packs.marked(p, 0)} for p in place.packs.names()]
    assert all(len(study) == 1 for study in studies)
    assert len(place.records()) == 2 * (OPEN_PACKS + 1)
    assert place.session.reached.keys() == set(place.packs.names())


def truncated() -> bytes:
    return make_ct()[:-10]


@pytest.mark.parametrize(
    ("data_set", "status", "comment"),
    [
        (make_ct(change={0x0020000D: None}), 0xC000, "it has no Study Instance UID. Have the device set it."),
        (make_ct(change={0x0020000E: ("UI", "")}), 0xC000, "it has no Series Instance UID."),
        (make_ct(study_uid="2.25.01"), 0xC000, "its Study Instance UID is not a valid UID."),
        (make_ct(sop_uid="2.25.7"), 0xA900, "its SOP Instance UID is not the command's."),
        (make_ct(change={0x00080016: ("UI", "1.2.3")}), 0xA900, "its SOP Class UID is not the command's."),
        (make_ct(change={0x00080018: None}), 0xC000, "it has no SOP Instance UID."),
        (truncated(), 0xC000, "at byte 344 element (7FE0,0010) says 32 bytes, 22 are left."),
        (b"this is not DICOM at all, whatever the command says", 0xC000, "at byte 0 element"),
        (b"", 0xC000, "it has no SOP Class UID."),
    ],
    ids=["study", "series", "invalid", "other-instance", "other-class", "sop", "cut", "noise", "empty"],
)
def test_what_cannot_be_kept_is_refused_with_words_and_leaves_nothing(
    place: Place, data_set: bytes, status: int, comment: str
) -> None:
    answer = place.send(data_set)
    assert answer.status == status
    assert answer.comment.startswith(comment[:60])
    assert len(answer.comment) <= 64
    assert place.packs.names() == []
    (line,) = place.refused()
    assert (line.kind, line.status, line.sop_uid, line.calling) == ("instance", status, "2.25.1.1.1", "CT1")
    assert line.words.startswith(comment[:40])


def test_a_deflated_data_set_that_swells_is_refused(place: Place) -> None:
    bomb = deflate(make_ct(pixels=bytes(80 << 20)))
    answer = place.send(bomb, syntax=DEFLATED)
    assert (answer.status, answer.comment) == (
        0xC000,
        "inflated it passes 64 MiB. Send it in another syntax.",
    )


def test_a_refusal_in_between_does_not_disturb_the_pack(place: Place) -> None:
    place.send(make_ct(sop_uid="2.25.1.1.1"), sop_uid="2.25.1.1.1")
    place.send(truncated(), sop_uid="2.25.1.1.1")
    place.send(make_ct(sop_uid="2.25.1.1.2"), sop_uid="2.25.1.1.2")
    assert [record.sop_uid for record in place.records()] == ["2.25.1.1.1", "2.25.1.1.2"]


def test_a_disk_at_its_reserve_is_said_to_the_device(tmp_path: Path) -> None:
    place = Place(tmp_path, reserve_bytes=1 << 62)
    answer = place.send(make_ct())
    assert answer == Answer(
        status=0xA700, comment="the disk is full up to its reserve of 4398046511104 MB. Free som"
    )
    assert place.records() == []


def test_a_data_set_that_could_not_be_kept_is_refused_with_its_reason(place: Place) -> None:
    why = Unavailable("Storing an instance was refused: the disk does not take it (EIO). Check the disk.")
    request = StoreRequest(
        sop_class=CT_IMAGE,
        sop_uid="2.25.1",
        transfer_syntax=EXPLICIT,
    )
    assert place.session.store(request, memoryview(b""), refusal=why) == Answer(
        status=0xA700, comment="the disk does not take it (EIO). Check the disk."
    )


class BreaksOnce(FrozenClock):
    """A clock with a defect at its first reading."""

    _broken = True

    def now(self) -> int:
        if self._broken:
            self._broken = False
            raise RuntimeError("boom")
        return super().now()


def test_a_defect_is_an_answer_too_and_is_logged_with_its_cause(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(tmp_path, clock=BreaksOnce())
    answer = place.send(make_ct())
    assert (answer.status, answer.comment) == (
        0x0110,
        "Storing an instance failed: a defect here. Tell the administrato",
    )
    assert "cause cause" in caplog.text
    assert place.send(make_ct()).status == 0


def test_the_comment_of_a_refusal_is_in_the_default_repertoire(place: Place) -> None:
    why = Unavailable("Storing an instance was refused: 磁盘已满 C:\\ full. Free some space.")
    request = StoreRequest(sop_class="", sop_uid="", transfer_syntax=EXPLICIT)
    assert place.session.store(request, memoryview(b""), refusal=why).comment == "C:  full. Free some space."


def test_a_class_that_the_rule_does_not_take_is_refused_with_words_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    only_sr = replace(ADMITTED, classes=Classes(names=("SR",), others=False))
    place = Place(tmp_path, admitted=only_sr)
    answer = place.send(make_ct())
    assert answer.status == 0x0122
    assert answer.comment == f"rule CT1@* does not take SOP class {CT_IMAGE}. Change"[:64].strip()
    (line,) = place.refused()
    assert (line.kind, line.status, line.sop_class, line.rule) == ("instance", 0x0122, CT_IMAGE, "CT1@*")
    assert line.words.endswith("Change the rule under Devices, or the device.")
    assert place.records() == []
    assert place.send(make_ct(), sop_class="1.2.840.10008.5.1.4.1.1.88.11").status == 0xA900
    takes_ct = Place(
        tmp_path / "ct", admitted=replace(ADMITTED, classes=Classes(names=("CT",), others=False))
    )
    assert takes_ct.send(make_ct()).status == 0


def test_a_planted_list_of_classes_that_is_ignored_lets_an_instance_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, admitted=replace(ADMITTED, classes=Classes(names=("SR",), others=False)))
    planted(monkeypatch, "class-list-ignored")
    assert place.send(make_ct()).status == 0
