"""Callers that ask badly: each gets a clear answer or is hung up on, and the next one is served."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt

from node.dimse import connection, sending
from node.dimse.server import Receiver
from node.node import Node
from tests.kit.asking import STUDY_FIND, Asking
from tests.kit.instances import EXPLICIT, LITTLE
from tests.kit.raw_sender import Aborted
from tests.kit.shelf import put_rows, shelf

HOSTILE = [
    "*" * 10_000,
    "?" * 10_000,
    "*a" * 5_000,
    "[" * 10_000,
    "\0" * 100,
    "a\0b*",
    "' OR 1=1 --",
    '"; DROP TABLE study; --',
    "x'414243'",
    "%_%",
    "\\" * 5_000,
    "\\".join(f"*{n}*" for n in range(500)),
    "\x1b$)A" * 2_000,
    "=" * 5_000,
    "^" * 5_000,
]
KEYS = {
    0x00100010: "PN",
    0x00100020: "LO",
    0x00080050: "SH",
    0x00081030: "LO",
    0x0020000D: "UI",
    0x00080020: "DA",
}


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[tuple[Node, Receiver]]:
    with shelf(tmp_path) as both:
        yield both


def identifier(tag: int, vr: str, value: str) -> bytes:
    keys = {0x00080052: ("CS", "STUDY"), 0x0020000D: ("UI", ""), tag: (vr, value)}
    return b"".join(
        LITTLE.element(tag, vr, value, charset="utf-8") for tag, (vr, value) in sorted(keys.items())
    )


def still_serves(receiver: Receiver) -> None:
    with Asking(receiver.port) as asking:
        assert len(asking.find(identifier(0x00100020, "LO", "A-17"))) == 2
        assert asking.last[0] == 0
        asking.release()


@pytest.mark.parametrize("tag", KEYS)
def test_hostile_keys_are_answered_or_refused_with_words(shelved: tuple[Node, Receiver], tag: int) -> None:
    _, receiver = shelved
    with Asking(receiver.port) as asking:
        for value in HOSTILE:
            asking.find(identifier(tag, KEYS[tag], value))
            status, comment = asking.last
            assert status == 0 or (status in (0xA900, 0xC000) and comment), (value[:20], status)
        asking.release()
    still_serves(receiver)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 64, b"\x08\0\x52\0CS\xff\xff", bytes(1000)],
    ids=["empty", "noise", "cut", "zeros"],
)
def test_what_is_no_identifier_is_refused_and_the_association_stands(
    shelved: tuple[Node, Receiver], content: bytes
) -> None:
    _, receiver = shelved
    with Asking(receiver.port) as asking:
        asking.find(content)
        assert asking.last[0] == 0xA900
        assert asking.last[1]
        asking.find(identifier(0x00100020, "LO", "A-17"))
        assert asking.last[0] == 0
        asking.release()


def test_an_identifier_without_an_end_ends_the_association(shelved: tuple[Node, Receiver]) -> None:
    _, receiver = shelved
    with Asking(receiver.port) as asking, pytest.raises((Aborted, ConnectionError)):
        asking.find(identifier(0x00100010, "PN", "x" * 60_000) + bytes(4 << 20))
    still_serves(receiver)


def test_who_sends_a_request_amid_an_answer_is_aborted(tmp_path: Path) -> None:
    with shelf(tmp_path) as (node, receiver):
        put_rows(node, 1500)
        with Asking(receiver.port) as asking:
            everything = identifier(0x00100020, "LO", "")
            asking.send_find((STUDY_FIND, EXPLICIT), everything)
            with pytest.raises(Aborted):
                asking.find(everything)
        still_serves(receiver)


def test_who_does_not_read_its_answers_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SEND_DEADLINE_S", 1.0)
    with shelf(tmp_path) as (node, receiver):
        put_rows(node, 3000)
        with Asking(receiver.port) as asking:
            asking.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            for _ in range(3):  # more than all buffers on the way hold
                asking.send_find((STUDY_FIND, EXPLICIT), identifier(0x00100020, "LO", ""))
            still_serves(receiver)
            asking.socket.settimeout(20)
            with pytest.raises((Aborted, TimeoutError)):
                _read_on(asking)
        still_serves(receiver)


def test_who_never_answers_an_instance_is_given_up(
    shelved: tuple[Node, Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "ANSWER_S", 1.0)
    _, receiver = shelved
    hung = []
    ae = AE(ae_title="WS")
    get, ct = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.1.2"
    ae.add_requested_context(get)
    ae.add_requested_context(ct)
    ae.dimse_timeout = 20
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", "2.25.1"

    def never(_event: evt.Event) -> int:
        hung.append(1)
        threading.Event().wait(5)
        return 0

    association = ae.associate(
        "127.0.0.1", receiver.port, ae_title="ALPHA",
        ext_neg=[build_role(ct, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, never)],
    )  # fmt: skip
    *_, (status, _) = association.send_c_get(asked, get)
    assert len(hung) == 1
    assert "Status" not in status  # it ended without an answer
    still_serves(receiver)


def _read_on(asking: Asking) -> None:
    while True:
        asking.fragments()
