"""Over the wire: data sets cut off, senders that hang up, and titles that are none; nothing cut is acknowledged or kept."""

from __future__ import annotations

import contextlib
import random
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.dicom.header import identify, scan
from node.dicom.syntax import is_deflated
from node.dimse.registration import register_refusals
from node.dimse.server import Receiver
from node.names import is_uid
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.malformed import HOSTILE_TITLES, Case, cases, sources, with_uids
from tests.kit.raw_sender import Aborted, RawSender, associate_rq
from tests.kit.receiving import admit_all, receiving, records, rule

HOST = "127.0.0.1"
CUTS, HANG_UPS, MALFORMED = 400, 100, 300
REFUSALS = {0xC000, 0xA900}
CT_IMAGE, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
_CALLING = slice(26, 42)
"""Where the calling AE title stands in an A-ASSOCIATE-RQ (PS3.8 9.3.2)."""


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    admit_all(tmp_path)
    with receiving(tmp_path) as running:
        yield running


def whole_cases(count: int) -> list[Case]:
    """Give valid instances, none of them deflated, each with the command that belongs to it."""
    native = [source for source in dict.fromkeys(sources()) if not is_deflated(source.transfer_syntax)]
    found = []
    for n in range(count):
        source = native[n % len(native)]
        data_set = with_uids(source, n)
        ids = identify(scan(data_set, source.transfer_syntax))
        found.append(Case(f"{n}", ids.sop_class, ids.sop_uid, source.transfer_syntax, data_set))
    return found


def cut(case: Case, chance: random.Random) -> int:
    """Give a length at which something of an element is missing."""
    ends = {e.offset + e.length for e in scan(case.data_set, case.transfer_syntax).elements.values()}
    return chance.choice([n for n in range(len(case.data_set)) if n not in ends])


def opened(receiver: Receiver, batch: list[Case]) -> RawSender:
    contexts = [(case.sop_class, case.transfer_syntax) for case in batch]
    return RawSender(HOST, receiver.port, contexts=contexts, fragment_bytes=1024)


def send(sender: RawSender, case: Case, data_set: bytes) -> int:
    return sender.store(
        sop_class=case.sop_class,
        sop_uid=case.sop_uid,
        transfer_syntax=case.transfer_syntax,
        data_set=data_set,
    ).status


def test_of_four_hundred_data_sets_cut_off_none_is_acknowledged_or_kept(
    receiver: Receiver, tmp_path: Path
) -> None:
    chance, statuses = random.Random(11), Counter[int]()
    every = whole_cases(CUTS)
    for first in range(0, CUTS, 50):
        batch = every[first : first + 50]
        with opened(receiver, batch) as sender:
            statuses.update(send(sender, case, case.data_set[: cut(case, chance)]) for case in batch)
            assert send(sender, batch[0], batch[0].data_set) == 0
            sender.release()
    print(f"{CUTS} cut: {dict(statuses)}")
    assert set(statuses) <= REFUSALS
    assert sorted(record.sop_uid for record in records(tmp_path)) == sorted(
        case.sop_uid for case in every[::50]
    )


def test_a_hundred_senders_that_hang_up_in_the_middle_leave_nothing(
    receiver: Receiver, tmp_path: Path
) -> None:
    chance = random.Random(12)
    for case in whole_cases(HANG_UPS):
        sender = opened(receiver, [case])
        wire = _Recorded(sender.socket)
        sender.socket = wire  # type: ignore[assignment]
        sender.send_store(
            sop_class=case.sop_class,
            sop_uid=case.sop_uid,
            transfer_syntax=case.transfer_syntax,
            data_set=case.data_set,
        )
        with contextlib.suppress(ConnectionError):
            wire.peer.sendall(wire.sent[: chance.randrange(len(wire.sent))])
        wire.peer.close()
    (last,) = whole_cases(1)
    with opened(receiver, [last]) as sender:
        assert send(sender, last, last.data_set) == 0
        sender.release()
    assert [record.sop_uid for record in records(tmp_path)] == [last.sop_uid]


def test_malformed_instances_get_an_answer_and_the_next_one_is_served(
    receiver: Receiver, tmp_path: Path
) -> None:
    statuses, ended = Counter[int](), 0
    every = [case for case in cases(MALFORMED, seed=5) if is_uid(case.transfer_syntax)]
    for case in every:
        context = (CT_IMAGE, case.transfer_syntax)
        with RawSender(HOST, receiver.port, contexts=[context]) as sender:
            try:
                sent = sender.store(
                    sop_class=case.sop_class,
                    sop_uid=case.sop_uid,
                    transfer_syntax=case.transfer_syntax,
                    data_set=case.data_set,
                    context=context,
                )
                sender.release()
            except Aborted:
                ended += 1
            else:
                statuses[sent.status] += 1
    print(f"{len(every)} malformed: {dict(statuses)}, {ended} ended the association")
    assert set(statuses) <= {0, *REFUSALS}
    assert statuses[0] == len(records(tmp_path)) > len(every) // 5
    assert ended < len(every) // 10


@pytest.mark.parametrize("title", HOSTILE_TITLES, ids=repr)
def test_a_title_that_is_none_is_answered_and_stops_no_registering(
    receiver: Receiver, tmp_path: Path, title: bytes
) -> None:
    admit_all(tmp_path, rule("RAW"))
    request = bytearray(associate_rq("CT1", "ALPHA", [(CT_IMAGE, EXPLICIT)]))
    request[_CALLING] = title.ljust(16)[:16]
    with socket.create_connection((HOST, receiver.port), timeout=30) as peer:
        peer.sendall(request)
        assert peer.recv(1) in (b"\x02", b"\x03", b"\x07", b"")
    (case,) = whole_cases(1)
    with opened(receiver, [case]) as sender:
        assert send(sender, case, case.data_set) == 0
        sender.release()
    node = bare_node(tmp_path.parent, tmp_path.name, FrozenClock())
    while register_refusals(node):
        continue
    assert node.database.read("SELECT 1 AS one FROM device WHERE calling = 'RAW'")
    node.close()


class _Recorded:
    """Keeps what would be sent, so that a part of it can be."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.sent = b""

    def sendall(self, content: bytes) -> None:
        self.sent += content
