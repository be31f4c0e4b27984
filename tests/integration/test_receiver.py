"""The receiver on loopback: a raw sender that sends any bytes, and dcmtk as real devices."""

from __future__ import annotations

import hashlib
import subprocess
import threading
import time
from pathlib import Path

import pytest

from node.database.sqlite import SqliteDatabase
from node.dimse.barrier import index_of
from node.dimse.refusals import FILE, Line, read_lines
from node.dimse.rules import Why
from node.journal.cursors import advance
from node.store.packs import index_cursor
from tests.kit.clock import FrozenClock
from tests.kit.instances import BIG, CT_IMAGE, DEFLATED, EXPLICIT, IMPLICIT, JPEG_BASELINE, make_ct, part10
from tests.kit.raw_sender import (
    NO_CONTEXT,
    VERIFICATION,
    Aborted,
    RawSender,
    Rejected,
    Sent,
    send_file,
    send_files,
)
from tests.kit.receiving import ReceiverProcess, admit_all, config_for, packs_of, receiving, records, rule

PRIVATE_CLASS, PRIVATE_SYNTAX = "2.25.7000", "2.25.7001"
HOST = "127.0.0.1"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    admit_all(tmp_path)
    return tmp_path


def refused(state: Path, kind: str) -> list[Line]:
    lines, _ = read_lines(state / "landing" / FILE, 0)
    return [line for line in lines if line.kind == kind]


def slice_file(folder: Path, n: int, **changes: object) -> Path:
    path = folder / f"{n}.dcm"
    sop_uid = f"2.25.1.1.{n}"
    path.write_bytes(part10(make_ct(sop_uid=sop_uid, number=n, **changes), sop_uid=sop_uid))  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("fragment_bytes", [0, 1, 7, 4096])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_bytes_are_kept_as_sent_however_they_are_cut(state: Path, syntax: str, fragment_bytes: int) -> None:
    data_set = make_ct(transfer_syntax=syntax)
    contexts = [(CT_IMAGE, syntax)]
    with (
        receiving(state) as receiver,
        RawSender(HOST, receiver.port, contexts=contexts, fragment_bytes=fragment_bytes) as sender,
    ):
        sent = sender.store(
            sop_class=CT_IMAGE, sop_uid="2.25.1.1.1", transfer_syntax=syntax, data_set=data_set
        )
        sender.release()
    assert sent == Sent(0, "")
    (record,) = records(state)
    assert packs_of(state).read_data_set(record.location) == data_set
    assert record.facts.transfer_syntax == syntax


def test_unknown_classes_and_private_syntaxes_are_kept_too(state: Path) -> None:
    data_set = make_ct(change={0x00080016: ("UI", PRIVATE_CLASS)})
    contexts = [(PRIVATE_CLASS, PRIVATE_SYNTAX), (PRIVATE_CLASS, JPEG_BASELINE)]
    with (
        receiving(state) as receiver,
        RawSender(HOST, receiver.port, contexts=contexts) as sender,
    ):
        for sop_class, syntax in contexts:
            sent = sender.store(
                sop_class=sop_class, sop_uid="2.25.1.1.1", transfer_syntax=syntax, data_set=data_set
            )
            assert sent.status == 0
        sender.release()
    assert [record.facts.transfer_syntax for record in records(state)] == [PRIVATE_SYNTAX, JPEG_BASELINE]


def test_a_large_instance_passes_through_a_file_and_leaves_none(state: Path) -> None:
    data_set = make_ct(rows=1500, columns=1500)
    with (
        receiving(state) as receiver,
        RawSender(HOST, receiver.port, contexts=[(CT_IMAGE, EXPLICIT)]) as sender,
    ):
        for _ in range(2):
            assert sender.store(
                sop_class=CT_IMAGE, sop_uid="2.25.1.1.1", transfer_syntax=EXPLICIT, data_set=data_set
            ) == Sent(0, "")
        sender.release()
    digests = {packs_of(state).check(record.location) for record in records(state)}
    assert digests == {hashlib.sha256(data_set).hexdigest()}
    assert {path.suffix for path in (state / "packs").iterdir()} == {".pack", ""}


def test_a_refusal_says_why_and_the_association_goes_on(state: Path) -> None:
    whole = make_ct()
    with (
        receiving(state) as receiver,
        RawSender(HOST, receiver.port, contexts=[(CT_IMAGE, EXPLICIT)]) as sender,
    ):
        answers = [
            sender.store(sop_class=CT_IMAGE, sop_uid=uid, transfer_syntax=EXPLICIT, data_set=data_set)
            for uid, data_set in [
                ("2.25.1.1.1", whole[:-3]),
                ("2.25.1.1.1", make_ct(change={0x0020000D: None})),
                ("2.25.9", whole),
                ("", whole),
                ("2." + "1" * 80, whole),
                ("2.25.1.1.1", whole),
            ]
        ]
        sender.release()
    assert [answer.status for answer in answers] == [0xC000, 0xC000, 0xA900, 0xA900, 0xA900, 0]
    assert answers[0].comment.startswith("at byte 344 element (7FE0,0010) says 32 bytes, 29 are left.")
    assert answers[1].comment == "it has no Study Instance UID. Have the device set it."
    assert len(records(state)) == 1
    assert [line.status for line in refused(state, "instance")] == [a.status for a in answers[:-1]]


def test_a_disk_at_its_reserve_refuses_small_and_large_with_words(state: Path) -> None:
    packs = packs_of(state, reserve_bytes=1 << 62)
    with (
        receiving(state, packs=packs) as receiver,
        RawSender(HOST, receiver.port, contexts=[(CT_IMAGE, EXPLICIT)]) as sender,
    ):
        for data_set in (make_ct(), make_ct(rows=1500, columns=1500)):
            sent = sender.store(
                sop_class=CT_IMAGE, sop_uid="2.25.1.1.1", transfer_syntax=EXPLICIT, data_set=data_set
            )
            assert sent.status == 0xA700
            assert sent.comment.startswith("the disk is full up to its reserve")
        sender.release()
    assert records(state) == []


def test_an_unknown_device_is_rejected_and_written_down(tmp_path: Path) -> None:
    admit_all(tmp_path, rule("CT1"), rule("MR1", admitted=False))
    with receiving(tmp_path) as receiver:
        for calling, called, reason in [("CT9", "ALPHA", 3), ("MR1", "ALPHA", 3), ("CT1", "BETA", 7)]:
            with pytest.raises(Rejected) as rejected:
                RawSender(HOST, receiver.port, calling=calling, called=called)
            assert (rejected.value.result, rejected.value.source, rejected.value.reason) == (1, 1, reason)
        RawSender(HOST, receiver.port, calling="CT1").release()
        admit_all(tmp_path, rule("CT9"))
        RawSender(HOST, receiver.port, calling="CT9").release()
    assert [line.calling for line in refused(tmp_path, Why.UNKNOWN)] == ["CT9"]
    assert [line.rule for line in refused(tmp_path, Why.BLOCKED)] == ["MR1@*"]
    assert [line.called for line in refused(tmp_path, Why.CALLED)] == ["BETA"]
    assert [line.calling for line in refused(tmp_path, "seen")] == ["CT1", "CT9"]


def test_associations_beyond_the_limit_are_asked_to_come_again(state: Path) -> None:
    with receiving(state, config=config_for(max_associations=2)) as receiver:
        two = [RawSender(HOST, receiver.port) for _ in range(2)]
        with pytest.raises(Rejected) as rejected:
            RawSender(HOST, receiver.port)
        assert (rejected.value.result, rejected.value.source, rejected.value.reason) == (2, 3, 2)
        two[0].release()
        _soon(lambda: RawSender(HOST, receiver.port).release())
        two[1].close()


def test_queries_are_not_accepted_and_echo_is(state: Path) -> None:
    find = "1.2.840.10008.5.1.4.1.2.2.1"
    contexts = [(VERIFICATION, IMPLICIT), (find, IMPLICIT)]
    with receiving(state) as receiver, RawSender(HOST, receiver.port, contexts=contexts) as sender:
        assert sender.accepted == {1}
        assert sender.echo() == 0
        assert (
            sender.store(sop_class=find, sop_uid="2.25.1", transfer_syntax=IMPLICIT, data_set=b"").status
            == NO_CONTEXT
        )
        sender.release()


def test_a_release_waits_for_the_index(state: Path) -> None:
    database = SqliteDatabase(state / "meridian.db", FrozenClock())
    registered_at: list[float] = []

    def register() -> None:
        _soon(lambda: len(records(state)) == 1)
        (record,) = records(state)
        registered_at.append(time.monotonic())
        cursor = index_cursor(record.location.pack)
        database.write([advance(cursor, before=0, after=record.next_offset)], "index")

    config = config_for(release_barrier_s=60)
    with receiving(state, config=config, caught_up=index_of(state / "meridian.db")) as receiver:
        index = threading.Thread(target=register)
        index.start()
        assert send_file(slice_file(state, 1), HOST, receiver.port).status == 0
        assert time.monotonic() >= registered_at[0]
        index.join()
    database.close()


def test_a_release_does_not_wait_for_ever(state: Path) -> None:
    with receiving(
        state, config=config_for(release_barrier_s=0.5), caught_up=lambda _pack, _offset: False
    ) as receiver:
        begun = time.monotonic()
        assert send_file(slice_file(state, 1), HOST, receiver.port).status == 0
        assert 0.5 <= time.monotonic() - begun < 20


def test_a_device_that_hangs_up_in_the_middle_leaves_what_was_answered(state: Path) -> None:
    data_set = make_ct(rows=600, columns=600)
    with receiving(state) as receiver:
        sender = RawSender(HOST, receiver.port, contexts=[(CT_IMAGE, EXPLICIT)])
        assert (
            sender.store(
                sop_class=CT_IMAGE, sop_uid="2.25.1.1.1", transfer_syntax=EXPLICIT, data_set=data_set
            ).status
            == 0
        )
        sender.socket.sendall(b"\x04\0\0\0\x40\0" + bytes(100))
        sender.close()
        _soon(lambda: _ended(state))
    assert len(records(state)) == 1


def test_stopping_lets_an_association_finish(state: Path) -> None:
    with receiving(state) as receiver:
        sender = RawSender(HOST, receiver.port, contexts=[(CT_IMAGE, EXPLICIT)])
        stopping = threading.Thread(target=receiver.stop, args=(10.0,))
        stopping.start()
        sent = sender.store(
            sop_class=CT_IMAGE, sop_uid="2.25.1.1.1", transfer_syntax=EXPLICIT, data_set=make_ct()
        )
        assert sent.status == 0
        sender.release()
        stopping.join(timeout=5)
        assert not stopping.is_alive()
        with pytest.raises((Aborted, ConnectionError)):
            RawSender(HOST, receiver.port or 1)
    assert _ended(state)


def test_the_receiver_process_stays_small(state: Path) -> None:
    process = ReceiverProcess(state)
    files = [slice_file(state, n, rows=512, columns=512) for n in range(1, 21)]
    senders = [threading.Thread(target=send_files, args=(files, HOST, process.port)) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    pss_kb = int(Path(f"/proc/{process.pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0])
    process.stop()
    assert len(records(state)) == 80
    assert pss_kb < 75_000


@pytest.mark.peer
def test_dcmtk_echoes_and_stores(state: Path) -> None:
    files = [slice_file(state, n) for n in range(1, 6)]
    with receiving(state) as receiver:
        call = ["-aec", "ALPHA", "-aet", "CT1", HOST, str(receiver.port)]
        subprocess.run(["echoscu", *call], check=True, capture_output=True, timeout=30)
        subprocess.run(["storescu", *call, *map(str, files)], check=True, capture_output=True, timeout=30)
    stored = {record.sop_uid: record for record in records(state)}
    assert sorted(stored) == [f"2.25.1.1.{n}" for n in range(1, 6)]
    packs = packs_of(state)
    for n in range(1, 6):
        again = state / "again.dcm"
        again.write_bytes(packs.read_file(stored[f"2.25.1.1.{n}"].location))
        dump = subprocess.run(["dcmdump", str(again)], check=True, capture_output=True, text=True, timeout=30)
        assert f"[2.25.1.1.{n}]" in dump.stdout


@pytest.mark.peer
def test_dcmtk_with_the_wrong_title_is_told_so(state: Path) -> None:
    with receiving(state) as receiver:
        call = ["echoscu", "-aec", "BETA", HOST, str(receiver.port)]
        answer = subprocess.run(call, check=False, capture_output=True, text=True, timeout=30)
    assert answer.returncode != 0
    assert "Called AE Title Not Recognized" in answer.stderr


def test_many_files_are_sent_in_few_associations(state: Path) -> None:
    files = [slice_file(state, n) for n in range(1, 30)]
    with receiving(state) as receiver:
        assert {sent.status for sent in send_files(files, HOST, receiver.port)} == {0}
    assert len(packs_of(state).names()) == 1


def _ended(state: Path) -> bool:
    packs = packs_of(state)
    return all(
        packs.is_finished(name, [record.next_offset for record in packs.marked(name, 0)][-1])
        for name in packs.names()
    )


def _soon(look: object, *, within_s: float = 20.0) -> None:
    """Try until it works."""
    until = time.monotonic() + within_s
    while True:
        try:
            if look() is not False:  # type: ignore[operator]
                return
        except (Rejected, Aborted):
            if time.monotonic() > until:
                raise
        assert time.monotonic() < until
        time.sleep(0.05)
