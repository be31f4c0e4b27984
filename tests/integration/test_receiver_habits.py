"""How real senders cut their bytes: PDUs as dcmtk, dcm4che, Orthanc and pynetdicom make them, and odder ones."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.dimse.server import Receiver
from tests.kit.instances import CT_IMAGE, EXPLICIT, IMPLICIT, make_ct
from tests.kit.raw_sender import (
    VERIFICATION,
    Aborted,
    RawSender,
    _accepted,
    _command,
    _item,
    _ui,
    _us,
    associate_rq,
)
from tests.kit.receiving import ReceiverProcess, admit_all, packs_of, receiving, records

HOST = "127.0.0.1"
UID = "2.25.1.1.1"
DATA_SET = make_ct(sop_uid=UID, rows=300, columns=300)
COMMAND = _command(
    [_ui(2, CT_IMAGE), _us(0x100, 1), _us(0x110, 1), _us(0x700, 0), _us(0x800, 1), _ui(0x1000, UID)]
)
Pdv = tuple[int, bytes]
"""Message control header and value."""


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    admit_all(tmp_path)
    with receiving(tmp_path) as running:
        yield running


def opened(receiver: Receiver) -> RawSender:
    return RawSender(HOST, receiver.port, contexts=[(CT_IMAGE, EXPLICIT), (VERIFICATION, IMPLICIT)])


def pdu(*values: Pdv, context: int = 1) -> bytes:
    body = b"".join(
        struct.pack(">LBB", len(value) + 2, context, control) + value for control, value in values
    )
    return struct.pack(">BBL", 4, 0, len(body)) + body


def cut(content: bytes, size: int, *, command: bool) -> list[Pdv]:
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    last = len(pieces) - 1
    return [(int(command) | (2 if n == last else 0), piece) for n, piece in enumerate(pieces)]


def pairs(values: list[Pdv]) -> bytes:
    return b"".join(pdu(*values[at : at + 2]) for at in range(0, len(values), 2))


SHORT = make_ct(sop_uid=UID)
HABITS: dict[str, Callable[[], bytes]] = {
    "a fragment in each PDU": lambda: (
        pdu((3, COMMAND)) + b"".join(pdu(one) for one in cut(DATA_SET, 16370, command=False))
    ),
    "several fragments in each PDU": lambda: pdu((3, COMMAND)) + pairs(cut(DATA_SET, 8000, command=False)),
    "command and data set in one PDU": lambda: pdu((3, COMMAND), (2, SHORT)),
    "a command in pieces": lambda: (
        b"".join(pdu(one) for one in cut(COMMAND, 5, command=True)) + pdu((2, SHORT))
    ),
    "a command in pieces of one PDU": lambda: pdu(*cut(COMMAND, 9, command=True), (2, SHORT)),
    "an empty last fragment": lambda: pdu((3, COMMAND)) + pdu((0, SHORT)) + pdu((2, b"")),
    "empty fragments between": lambda: (
        pdu((1, b""), (3, COMMAND)) + pdu((0, b"")) + pdu((0, SHORT[:100]), (0, b""), (2, SHORT[100:]))
    ),
    "fragments of odd lengths": lambda: (
        pdu((3, COMMAND)) + b"".join(pdu(one) for one in cut(SHORT, 33, command=False))
    ),
    "an empty PDU before": lambda: pdu() + pdu((3, COMMAND)) + pdu() + pdu((2, SHORT)),
    "reserved bits set": lambda: pdu((0xFF, COMMAND)) + pdu((0xFE, SHORT)),
}


@pytest.mark.parametrize("habit", HABITS)
def test_an_instance_is_the_same_however_it_is_cut(receiver: Receiver, tmp_path: Path, habit: str) -> None:
    with opened(receiver) as sender:
        sender.socket.sendall(HABITS[habit]())
        assert sender.answer().status == 0
        sender.release()
    (record,) = records(tmp_path)
    assert packs_of(tmp_path).read_data_set(record.location) in (DATA_SET, SHORT)


def test_bytes_that_come_one_by_one_are_taken(receiver: Receiver, tmp_path: Path) -> None:
    with opened(receiver) as sender:
        for byte in pdu((3, COMMAND)) + pdu((2, SHORT)):
            sender.socket.sendall(bytes((byte,)))
        assert sender.answer().status == 0
        sender.release()
    assert len(records(tmp_path)) == 1


def test_requests_sent_ahead_are_answered_in_their_order(receiver: Receiver, tmp_path: Path) -> None:
    echo = _command([_ui(2, VERIFICATION), _us(0x100, 0x30), _us(0x110, 9), _us(0x800, 0x101)])
    one = pdu((3, COMMAND)) + pdu((2, SHORT))
    with opened(receiver) as sender:
        sender.socket.sendall(one + one + pdu((3, echo), context=3) + one)
        assert [sender.answer().status for _ in range(4)] == [0] * 4
        sender.release()
    assert len(records(tmp_path)) == 3


@pytest.mark.parametrize(
    ("user", "most"),
    [
        (b"", 16384),
        (_item(0x50, _item(0x51, bytes(4))), 0),
        (_item(0x50, _item(0x51, struct.pack(">L", 64))), 64),
        (_item(0x50, _item(0x51, struct.pack(">L", 16384)) + _item(0x53, b"\0\x10\0\x10")), 16384),
        (_item(0x50, _item(0x54, b"\0\x01" + b"2" + b"\x01\x01") + _item(0x51, bytes(4))), 0),
    ],
    ids=["no user information", "no limit", "a limit of 64 bytes", "an asynchronous window", "roles"],
)
def test_what_a_caller_says_of_itself_is_kept_to(receiver: Receiver, user: bytes, most: int) -> None:
    whole = associate_rq("CT1", "ALPHA", [(CT_IMAGE, EXPLICIT)])
    said = _item(0x50, _item(0x51, struct.pack(">L", 1 << 17)) + _item(0x52, b"2.25.5") + _item(0x55, b"RAW"))
    body = whole[6:].removesuffix(said) + user
    with RawSender(HOST, receiver.port) as probe:
        pass
    sender = object.__new__(RawSender)
    sender.socket = type(probe.socket)()
    sender.socket.settimeout(20)
    sender.socket.connect((HOST, receiver.port))
    sender.socket.sendall(struct.pack(">BBL", 1, 0, len(body)) + body)
    kind, answer = sender._read_pdu()
    assert kind == 2
    assert _accepted(answer) == ({1}, 1 << 17)
    sender.socket.sendall(pdu((3, COMMAND)) + pdu((2, SHORT[:-1])))
    got = b""
    while True:
        kind, piece = sender._read_pdu()
        assert kind == 4
        assert not most or len(piece) <= most
        got += piece[6:]
        if piece[5] & 2:
            break
    assert struct.pack("<HHLH", 0, 0x900, 2, 0xC000) in got
    sender.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (pdu((3, _command([_us(0x100, 0x20), _us(0x110, 1), _us(0x800, 1)]))) + pdu((2, b"query")), 0x0211),
        (pdu((3, COMMAND), context=3) + pdu((2, SHORT), context=3), 0x0122),
        (pdu((3, _command([_ui(2, CT_IMAGE), _us(0x100, 1), _us(0x110, 1), _us(0x800, 0x101)]))), 0xC000),
        (
            pdu((3, _command([_us(0x100, 0xFFF), _us(0x120, 1), _us(0x800, 0x101)])))
            + pdu((3, COMMAND))
            + pdu((2, SHORT)),
            0,
        ),
    ],
    ids=["a query", "an instance in the wrong context", "no data set", "a cancel first"],
)
def test_what_is_not_served_is_answered_and_the_association_goes_on(
    receiver: Receiver, sent: bytes, status: int
) -> None:
    with opened(receiver) as sender:
        sender.socket.sendall(sent)
        assert sender.answer().status == status
        assert sender.echo() == 0
        sender.release()


@pytest.mark.parametrize(
    "sent",
    [
        pdu((2, SHORT)),
        pdu((3, COMMAND)) + pdu((3, COMMAND)),
        pdu((3, COMMAND)) + pdu((2, SHORT), context=3),
        pdu((3, COMMAND), context=9),
        pdu((3, b"no command")),
        struct.pack(">BBL", 4, 0, 3) + b"abc",
        struct.pack(">BBLLBB", 4, 0, 6, 1, 1, 3),
        struct.pack(">BBLLBB", 4, 0, 6, 100, 1, 3),
        struct.pack(">BBL", 2, 0, 0),
        struct.pack(">BBL", 99, 0, 0),
        struct.pack(">BBL", 6, 0, 4) + bytes(4),
    ],
)
def test_what_breaks_the_protocol_is_aborted_with_its_reason(receiver: Receiver, sent: bytes) -> None:
    with opened(receiver) as sender:
        sender.socket.sendall(sent)
        kind, body = sender._read_pdu()
        assert (kind, body[2]) == (7, 2)
        assert body[3] in (1, 2, 6)
        with pytest.raises(Aborted):
            sender._read_pdu()


def test_a_release_amid_a_data_set_leaves_nothing_of_it(receiver: Receiver, tmp_path: Path) -> None:
    with opened(receiver) as sender:
        sender.socket.sendall(pdu((3, COMMAND)) + pdu((0, DATA_SET[:100_000])))
        sender.release()
    assert records(tmp_path) == []


def test_a_caller_that_asks_for_more_is_served_beside_and_stores_into_the_same_packs(
    receiver: Receiver, tmp_path: Path
) -> None:
    find = "1.2.840.10008.5.1.4.1.2.2.1"
    contexts = [(CT_IMAGE, EXPLICIT), (find, IMPLICIT)]
    with RawSender(HOST, receiver.port, contexts=contexts) as sender, opened(receiver) as plain:
        assert sender.accepted == {1}
        for each in (sender, plain):
            stored = each.store(sop_class=CT_IMAGE, sop_uid=UID, transfer_syntax=EXPLICIT, data_set=DATA_SET)
            assert stored.status == 0
        sender.release()
        plain.release()
    assert len({record.digest for record in records(tmp_path)}) == 1
    assert len(records(tmp_path)) == 2
    until = time.monotonic() + 20
    while receiver.places._associations and time.monotonic() < until:
        time.sleep(0.05)
    assert (receiver.places._associations, receiver.places._half_open.total()) == (0, 0)


def test_a_receiver_of_storage_alone_does_not_hold_the_other_in_memory(tmp_path: Path) -> None:
    admit_all(tmp_path)
    process = ReceiverProcess(tmp_path)
    with RawSender(HOST, process.port, contexts=[(CT_IMAGE, EXPLICIT)]) as sender:
        assert (
            sender.store(sop_class=CT_IMAGE, sop_uid=UID, transfer_syntax=EXPLICIT, data_set=DATA_SET).status
            == 0
        )
        maps = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        sender.release()
    process.stop()
    assert int(maps.split("Pss:")[1].split()[0]) < 40_000
