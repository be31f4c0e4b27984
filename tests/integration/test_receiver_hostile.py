"""Who speaks badly to the receiver is cut off, and keeps nobody else out."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.dimse import connection, places, reception
from node.dimse.server import Receiver
from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct
from tests.kit.planting import planted
from tests.kit.raw_sender import Aborted, RawSender, Rejected, _command, _us, associate_rq
from tests.kit.receiving import admit_all, config_for, receiving, records

HOST = "127.0.0.1"
SHORT_S = 0.4


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver with short deadlines and four places."""
    monkeypatch.setattr(reception, "ASSOCIATE_DEADLINE_S", SHORT_S)
    monkeypatch.setattr(reception, "PDU_DEADLINE_S", SHORT_S)
    monkeypatch.setattr(connection, "LINGER_S", SHORT_S)
    admit_all(tmp_path)
    with receiving(tmp_path, config=config_for(max_associations=4)) as running:
        yield running


def connect(receiver: Receiver) -> socket.socket:
    return socket.create_connection((HOST, receiver.port), timeout=10)


def hung_up(peer: socket.socket, *, within_s: float) -> bool:
    """Whether the other side closes, perhaps after an A-ABORT."""
    until = time.monotonic() + within_s
    peer.settimeout(within_s)
    try:
        while time.monotonic() < until:
            if not peer.recv(4096):
                return True
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return False


def rss_mb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024


def opened(receiver: Receiver) -> RawSender:
    return RawSender(HOST, receiver.port, contexts=[(CT_IMAGE, EXPLICIT)])


def still_serves(receiver: Receiver) -> None:
    with opened(receiver) as sender:
        sent = sender.store(
            sop_class=CT_IMAGE, sop_uid="2.25.1.1.1", transfer_syntax=EXPLICIT, data_set=make_ct()
        )
        assert sent.status == 0
        sender.release()


def test_sockets_that_send_half_a_pdu_keep_nobody_out(receiver: Receiver) -> None:
    half = [connect(receiver) for _ in range(places.HALF_OPEN_PER_ADDRESS - 2)]
    for peer in half:
        peer.sendall(associate_rq("CT1", "ALPHA", [])[:40])
    still_serves(receiver)
    assert all(hung_up(peer, within_s=5) for peer in half)
    still_serves(receiver)


def test_sockets_beyond_those_that_may_wait_are_dropped_at_once(receiver: Receiver) -> None:
    waiting = [connect(receiver) for _ in range(places.HALF_OPEN_PER_ADDRESS)]
    dropped = False
    while not dropped and len(waiting) < 2 * places.HALF_OPEN_PER_ADDRESS:
        waiting.append(connect(receiver))
        dropped = hung_up(waiting[-1], within_s=1)
    assert dropped
    for peer in waiting:
        peer.close()


def test_half_a_pdu_within_an_association_ends_it(receiver: Receiver) -> None:
    sender = opened(receiver)
    sender.socket.sendall(struct.pack(">BBLLBB", 4, 0, 1000, 994, 1, 0) + b"half")
    assert hung_up(sender.socket, within_s=5)
    still_serves(receiver)


def test_a_pdu_of_4_gib_is_not_piled_up(receiver: Receiver) -> None:
    sender = opened(receiver)
    before = rss_mb()
    sender.socket.sendall(struct.pack(">BBL", 4, 0, 0xFFFFFFF0))
    with pytest.raises(ConnectionError):  # noqa: PT012
        for _ in range(400):
            sender.socket.sendall(bytes(1 << 20))
    assert rss_mb() - before < 20
    still_serves(receiver)


def test_a_first_pdu_of_4_gib_is_not_piled_up(receiver: Receiver) -> None:
    peer = connect(receiver)
    peer.sendall(struct.pack(">BBL", 1, 0, 0xFFFFFFF0) + bytes(1000))
    assert hung_up(peer, within_s=5)
    still_serves(receiver)


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\nHost: alpha\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        bytes(1000),
        b"\xff" * 1000,
        struct.pack(">BBL", 1, 0, 80) + b"\xff" * 80,
        struct.pack(">BBL", 4, 0, 10) + bytes(10),
        struct.pack(">BBL", 5, 0, 4) + bytes(4),
        associate_rq("CT1", "ALPHA", [("\xff" * 30, EXPLICIT)]),
    ],
    ids=["http", "tls", "zeros", "ones", "torn-request", "data-first", "release-first", "odd-name"],
)
def test_what_is_not_dicom_is_hung_up_on(receiver: Receiver, noise: bytes) -> None:
    peer = connect(receiver)
    with contextlib.suppress(ConnectionError):
        peer.sendall(noise)
        peer.shutdown(socket.SHUT_WR)
    assert hung_up(peer, within_s=15)
    still_serves(receiver)


def test_a_command_without_an_end_ends_the_association(receiver: Receiver) -> None:
    sender = opened(receiver)
    piece = struct.pack(">BBLLBB", 4, 0, 4096 + 6, 4096 + 2, 1, 0x01) + bytes(4096)
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            sender.socket.sendall(piece)
    assert hung_up(sender.socket, within_s=5)
    still_serves(receiver)


def test_a_sender_that_waits_for_no_answer_is_slowed_down_and_loses_nothing(
    receiver: Receiver, tmp_path: Path
) -> None:
    data_set = make_ct(rows=256, columns=256)
    before = rss_mb()
    with opened(receiver) as sender:
        for _ in range(100):
            sender.send_store(
                sop_class=CT_IMAGE, sop_uid="2.25.1.1.1", transfer_syntax=EXPLICIT, data_set=data_set
            )
        assert [sender.answer().status for _ in range(100)] == [0] * 100
        sender.release()
    assert rss_mb() - before < 10
    assert len(records(tmp_path)) == 100


def test_a_message_on_a_context_that_was_not_agreed_ends_the_association(receiver: Receiver) -> None:
    sender = opened(receiver)
    sender._ids[(CT_IMAGE, "1.2.3")] = 99
    sender.send_store(sop_class=CT_IMAGE, sop_uid="2.25.1", transfer_syntax="1.2.3", data_set=make_ct())
    with pytest.raises(Aborted):
        sender.answer()
    still_serves(receiver)


def test_a_title_that_is_none_is_rejected(receiver: Receiver) -> None:
    with pytest.raises((Rejected, Aborted)):
        RawSender(HOST, receiver.port, calling="")
    with pytest.raises((Rejected, Aborted)):
        RawSender(HOST, receiver.port, called="")
    still_serves(receiver)


def test_a_drip_of_bytes_does_not_stretch_the_deadline_of_a_pdu(receiver: Receiver) -> None:
    sender = opened(receiver)
    sender.socket.sendall(struct.pack(">BBLLBB", 4, 0, 1000, 994, 1, 0))
    ended = 0
    for n in range(200):
        try:
            sender.socket.sendall(b"x")
        except ConnectionError:
            ended = n
            break
        time.sleep(SHORT_S / 10)
    assert ended
    still_serves(receiver)


@pytest.mark.parametrize("fault", ["pdu-cap-removed", "pdu-deadline-removed"])
def test_a_planted_missing_guard_of_pdus_is_caught(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Each of the two tests above would fail: the peer is not hung up on."""
    planted(monkeypatch, fault)
    monkeypatch.setattr(reception, "PDU_DEADLINE_S", 30 if fault == "pdu-cap-removed" else SHORT_S)
    sender = opened(receiver)
    command = _command([_us(0x100, 1), _us(0x110, 1), _us(0x800, 1)])
    sender.socket.sendall(struct.pack(">BBLLBB", 4, 0, len(command) + 6, len(command) + 2, 1, 3) + command)
    length = 0xFFFFFFF0 if fault == "pdu-cap-removed" else 1000
    sender.socket.sendall(struct.pack(">BBLLBB", 4, 0, length, length - 4, 1, 0) + b"half")
    assert not hung_up(sender.socket, within_s=3)
    sender.close()


def test_ten_thousand_connections_that_are_reset_leave_all_places_free(receiver: Receiver) -> None:
    for _ in range(10_000):
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(ConnectionError):
            peer.connect((HOST, receiver.port))
        peer.close()
    until = time.monotonic() + 30
    while receiver.places._half_open and time.monotonic() < until:
        time.sleep(0.05)
    assert not receiver.places._half_open
    still_serves(receiver)


def test_others_are_served_while_one_address_floods(receiver: Receiver) -> None:
    """Half PDUs, drips, resets and associations that hang, from one address, more than it may have."""
    flood = []
    for n in range(200):
        peer = socket.socket()
        peer.settimeout(5)
        peer.bind(("127.0.0.7", 0))
        with contextlib.suppress(OSError):
            peer.connect((HOST, receiver.port))
            peer.sendall(associate_rq("CT1", "ALPHA", [])[: 10 + n % 60])
        flood.append(peer)
    before = rss_mb()
    for _ in range(10):
        begun = time.monotonic()
        still_serves(receiver)
        assert time.monotonic() - begun < 20, "kept out"
    assert rss_mb() - before < 50
    for peer in flood:
        peer.close()
