"""An instance while it comes in: whole or streamed it is the same; refused or broken off, nothing is left."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.dimse import intake as intake_module
from node.dimse.intake import BLOCK_BYTES, HEADER_BYTES, Intake
from node.dimse.refusals import FILE, RefusalLog
from node.dimse.rules import Admitted
from node.dimse.store_scp import Answer, Caller, Session, StoreRequest
from node.names import Cause, NodeId
from node.store.facts import MarkedRecord
from node.store.packs import Packs
from tests.kit.clock import FrozenClock
from tests.kit.instances import CT_IMAGE, DEFLATED, EXPLICIT, make_ct

UID = "2.25.1.1.1"


class Place:
    """A session over packs in a folder."""

    def __init__(self, folder: Path, *, reserve_bytes: int = 0) -> None:
        clock = FrozenClock()
        self.packs = Packs(folder / "packs", clock, 1 << 40, reserve_bytes)
        self.session = Session(
            Caller(calling="CT1", called="ALPHA", address="127.0.0.1"),
            Admitted(rule="*@*", version=1, issuer="", trust_issuer=False, department=""),
            node=NodeId("alpha"),
            packs=self.packs,
            clock=clock,
            cause=Cause("cause"),
            refusals=RefusalLog(folder / "landing" / FILE, clock),
            stored=lambda: None,
        )

    def intake(self, *, sop_uid: str = UID, syntax: str = EXPLICIT) -> tuple[StoreRequest, Intake]:
        request = StoreRequest(sop_class=CT_IMAGE, sop_uid=sop_uid, transfer_syntax=syntax)
        return request, self.session.intake(request)

    def send(self, data_set: bytes, *, piece: int = 1 << 17, **request: str) -> Answer:
        asked, intake = self.intake(**request)
        pour(intake, data_set, piece)
        return self.session.finish(asked, intake)

    def records(self) -> list[MarkedRecord]:
        return [record for name in self.packs.names() for record in self.packs.marked(name, 0)]

    def sizes(self) -> list[int]:
        return [self.packs.path(name).stat().st_size for name in self.packs.names()]


def pour(intake: Intake, data_set: bytes, piece: int) -> None:
    view = memoryview(data_set)
    while view:
        place = intake.place(min(piece, len(view)))
        place[:] = view[: len(place)]
        intake.filled(len(place))
        view = view[len(place) :]


def large(*, private_bytes: int = 0) -> bytes:
    """A CT of 2 MiB; private bytes stand before its Study UID."""
    change = {0x00091010: ("OB", bytes(private_bytes))} if private_bytes else {}
    return make_ct(sop_uid=UID, rows=1024, columns=1024, change=change)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(1, 1400), piece=st.integers(1 << 12, 1 << 18))
def test_any_size_in_any_pieces_is_kept_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, rows: int, piece: int
) -> None:
    place = Place(tmp_path_factory.mktemp("place"))
    data_set = make_ct(sop_uid=UID, rows=rows, columns=1000)
    assert place.send(data_set, piece=piece) == Answer(status=0)
    (record,) = place.records()
    assert place.packs.read_data_set(record.location) == data_set
    assert record.digest == hashlib.sha256(data_set).hexdigest() == place.packs.check(record.location)


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_data_set_as_long_as_the_block_is_kept(tmp_path: Path, beyond: int) -> None:
    place = Place(tmp_path)
    bare = len(make_ct(sop_uid=UID, change={0x00091010: ("OB", b"")}))
    data_set = make_ct(sop_uid=UID, change={0x00091010: ("OB", bytes(BLOCK_BYTES + beyond - bare))})
    assert len(data_set) == BLOCK_BYTES + beyond
    assert place.send(data_set) == Answer(status=0)
    (record,) = place.records()
    assert place.packs.read_data_set(record.location) == data_set


def test_large_ones_hold_one_block_of_memory(tmp_path: Path) -> None:
    place = Place(tmp_path)
    _, intake = place.intake()
    pour(intake, large(), 1 << 17)
    assert len(intake._view) == BLOCK_BYTES
    assert place.sizes()[0] > BLOCK_BYTES
    assert place.records() == [], "nothing counts before its end"


def test_a_study_uid_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    place = Place(tmp_path)
    data_set = large(private_bytes=HEADER_BYTES - 1000)
    assert place.send(data_set) == Answer(status=0)
    assert place.packs.read_data_set(place.records()[0].location) == data_set


def test_a_study_uid_that_comes_too_late_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    answer = place.send(large(private_bytes=HEADER_BYTES))
    assert (answer.status, answer.comment) == (
        0xC000,
        "its first MiB does not say which study it is of. Have the device",
    )
    assert place.packs.names() == []


def test_a_large_one_that_is_cut_off_leaves_the_pack_at_its_last_mark(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.send(large()) == Answer(status=0)
    before = place.sizes()
    answer = place.send(large()[:-1])
    assert answer.status == 0xC000
    assert answer.comment.startswith("at byte ")
    assert place.sizes() == before
    assert place.send(large()) == Answer(status=0)
    assert len(place.records()) == 2


def test_a_large_one_that_is_not_the_commands_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.send(large(), sop_uid="2.25.9").status == 0xA900
    assert place.send(large(), sop_uid="none").status == 0xA900
    assert place.send(large(), sop_uid="2." + "1" * 70_000).status == 0xA900
    assert place.records() == []


def test_a_peer_that_is_gone_leaves_nothing_of_what_it_began(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.send(large()) == Answer(status=0)
    before = place.sizes()
    _, intake = place.intake()
    pour(intake, large()[:-5], 1 << 17)
    assert place.sizes() > before
    intake.drop()
    assert place.sizes() == before


def test_a_disk_that_fills_up_on_the_way_refuses_and_drops_the_rest(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.send(large()) == Answer(status=0)
    before = place.sizes()
    request, intake = place.intake()
    data_set = large()
    pour(intake, data_set[: BLOCK_BYTES + 1], 1 << 17)
    place.packs._reserve_bytes = 1 << 62
    pour(intake, data_set[BLOCK_BYTES + 1 :], 1 << 17)
    answer = place.session.finish(request, intake)
    assert (answer.status, answer.comment[:12]) == (0xA700, "the disk is ")
    assert place.sizes() == before
    place.packs._reserve_bytes = 0
    assert place.send(large()) == Answer(status=0)


def test_deflated_bytes_are_kept_deflated(tmp_path: Path) -> None:
    place = Place(tmp_path)
    data_set = make_ct(sop_uid=UID, rows=100, columns=100, transfer_syntax=DEFLATED)
    assert place.send(data_set, syntax=DEFLATED) == Answer(status=0)
    assert place.packs.read_data_set(place.records()[0].location) == data_set


def test_a_planted_digest_of_less_than_all_bytes_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest is made on the way: were a piece left out of it, reading back would not agree."""
    monkeypatch.setattr(intake_module.Intake, "_hash", lambda self: setattr(self, "_hashed", self._at))
    place = Place(tmp_path)
    place.send(make_ct(sop_uid=UID, rows=300, columns=300))
    (record,) = place.records()
    with pytest.raises(Exception, match="its data set was altered"):
        place.packs.check(record.location)
