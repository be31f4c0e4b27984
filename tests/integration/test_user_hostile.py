"""Remote AEs that answer badly, slowly, too much, or not at all: said in words, bounded in time and memory."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from node.catalogue.matching import QueryLevel
from node.dimse import exchange, find_scu, retrieval
from node.dimse.calling import Called
from node.dimse.find_scu import Answers, find
from node.dimse.move_scu import move
from node.dimse.retrieval import Wanted
from node.errors import Refused, Unavailable
from tests.kit.strange_provider import HOST, accept, bare, data_pdu, find_response, read_pdu

STUDY = "2.25.7"


def whom(port: int) -> Called:
    return Called(name="PACS", aet="QRSCP", host=HOST, port=port, calling="ALPHA")


def ask(port: int, **words: Any) -> Answers:
    return find(whom(port), QueryLevel.STUDY, {"PatientID": "1"}, **words)


def answered(raw: Callable[[int], bytes]) -> Callable[[socket.socket], None]:
    """Accept, read the query, send these bytes, and read to the end."""

    def answer(peer: socket.socket) -> None:
        context = accept(peer)
        read_pdu(peer)
        read_pdu(peer)
        peer.sendall(raw(context))
        while peer.recv(1 << 16):
            continue

    return answer


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", "broke off"),
        (lambda c: data_pdu(c, 3, os.urandom(64)), "broke off|not asked"),
        (lambda c: find_response(c, message_id=77), "answered what was not asked"),
        (lambda c: data_pdu(c, 2, b"a data set without a command"), "broke off|not asked"),
        (lambda c: struct.pack(">BxL", 4, 1 << 30) + bytes(4096), "broke off"),
        (lambda c: struct.pack(">BxLBBBB", 7, 4, 0, 0, 2, 0), "broke off"),
        (lambda c: find_response(c)[:30], "said nothing for 1 s|broke off"),
        (lambda c: b"", "said nothing for 1 s"),
    ],
)
def test_what_it_answers_wrongly_is_said(
    raw: Callable[[int], bytes], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "ANSWER_S", 1.0)
    monkeypatch.setattr(
        exchange.Exchange.answers,
        "__kwdefaults__",
        {**exchange.Exchange.answers.__kwdefaults__, "wait_s": 1.0},
    )
    began = time.monotonic()
    with bare(answered(raw)) as port, pytest.raises(Unavailable, match=words):
        ask(port)
    assert time.monotonic() - began < 20


def test_one_that_hangs_up_in_the_middle_is_said_at_once() -> None:
    def answer(peer: socket.socket) -> None:
        context = accept(peer)
        read_pdu(peer)
        peer.sendall(find_response(context)[:20])

    began = time.monotonic()
    with bare(answer) as port, pytest.raises(Unavailable, match="broke off"):
        ask(port)
    assert time.monotonic() - began < 5


def test_one_that_never_ends_pending_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_scu, "CANCEL_S", 1.0)

    def answer(peer: socket.socket) -> None:
        context = accept(peer)
        read_pdu(peer)
        read_pdu(peer)
        answers = distinct(context, 600)
        while True:
            peer.sendall(answers)

    began = time.monotonic()
    with bare(answer) as port:
        answers = ask(port, limit=500)
    assert (len(answers.items), answers.complete) == (500, False)
    assert time.monotonic() - began < 30


def distinct(context: int, count: int) -> bytes:
    """Give answers that each say something else."""
    return b"".join(
        find_response(context, identifier=b"\x10\x00\x20\x00LO\x06\x00" + b"%06d" % n) for n in range(count)
    )


def test_what_says_one_thing_for_ever_is_stopped_and_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_scu, "CANCEL_S", 1.0)

    def answer(peer: socket.socket) -> None:
        context = accept(peer)
        read_pdu(peer)
        read_pdu(peer)
        while True:
            peer.sendall(distinct(context, 1) * 50)

    with bare(answer) as port:
        answers = ask(port, limit=500)
    assert (len(answers.items), answers.complete) == (1, False)


def test_answers_that_cannot_be_read_are_counted_and_the_rest_is_shown() -> None:
    good = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100\x10\x00\x10\x00PN\x04\x00" + "张三".encode("gb18030")

    def raw(context: int) -> bytes:
        return b"".join(
            [
                find_response(context, identifier=b"\xff" * 40),
                find_response(context, identifier=b"\x10\x00\x20\x00LO\xff\x001"),
                find_response(context),
                find_response(context, identifier=good),
                find_response(context, status=0xFF01, identifier=b""),
                find_response(context, status=0),
            ]
        )

    with bare(answered(raw)) as port:
        answers = ask(port, charset="GB18030")
    assert answers.unreadable >= 3
    assert {"PatientName": "张三"} in answers.items
    assert answers.keys_ignored


def test_statuses_of_a_query_are_said() -> None:
    for status, kind, words in (
        (0xA700, Unavailable, "out of resources"),
        (0xA900, Refused, "the question does not fit"),
        (0xC001, Refused, "cannot carry it out"),
    ):
        with (
            bare(answered(lambda c, status=status: find_response(c, status=status))) as port,  # type: ignore[misc]
            pytest.raises(kind, match=words),
        ):
            ask(port)


def test_ten_thousand_answers_are_taken_in_bounded_memory() -> None:
    one = b"\x10\x00\x10\x00PN\x40\x00" + b"Zhang^San ".ljust(64) + b"\x10\x00\x20\x00LO\x06\x00"

    def raw(context: int) -> bytes:
        each = (find_response(context, identifier=one + b"%06d" % n) for n in range(10_050))
        return b"".join(each) + find_response(context, status=0)

    with bare(answered(raw)) as port:
        tracemalloc.start()
        answers = ask(port)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (len(answers.items), answers.complete) == (10_000, False)
    assert peak < 120 << 20


def test_a_move_that_somebody_stops_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "STOP_S", 1.0)

    asked = 0

    def progress(_: Any) -> bool:
        nonlocal asked
        asked += 1
        return asked < 3

    with bare(deaf_move) as port:
        began = time.monotonic()
        ended = move(whom(port), Wanted(study_uid=STUDY), destination="ALPHA", progress=progress)
    assert ended.cancelled
    assert time.monotonic() - began < 15


def deaf_move(peer: socket.socket) -> None:
    """Accept a C-MOVE, and never say a word."""
    accept(peer)
    while peer.recv(1 << 16):
        continue


MEMORY = """
import sys
from node.dimse.calling import Called
from node.dimse.find_scu import find
from node.catalogue.matching import QueryLevel
from node.errors import GridError
from tests.kit.peak import peak_kb
from tests.kit.strange_provider import HOST
try:
    find(Called(name="P", aet="Q", host=HOST, port=int(sys.argv[1]), calling="A"), QueryLevel.STUDY, {"PatientID": "1"})
except GridError as error:
    print(error, file=sys.stderr)
print(peak_kb() >> 10)
"""


def peak_mib(program: str, port: int, planted: str) -> int:
    """Run a program that asks there, in a process of its own; give its peak of memory."""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(port)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "MERIDIAN_PLANTED": planted},
    )
    return int(ran.stdout)


def flood(peer: socket.socket) -> None:
    """Declare a PDU of 1 GiB, and send 300 MiB of it."""
    accept(peer)
    read_pdu(peer)
    peer.sendall(struct.pack(">BxL", 4, 1 << 30))
    for _ in range(300):
        peer.sendall(bytes(1 << 20))


def test_a_pdu_of_a_gibibyte_is_not_piled_up() -> None:
    with bare(flood) as port:
        assert peak_mib(MEMORY, port, "") < 150


def test_a_planted_missing_cap_of_pdus_is_caught() -> None:
    with bare(flood) as port:
        assert peak_mib(MEMORY, port, "user-pdu-cap-removed") > 250


def ahead(peer: socket.socket) -> None:
    """Send big answers without end."""
    context = accept(peer)
    answer = find_response(context, identifier=bytes(60_000)) * 10
    until = time.monotonic() + 6
    while time.monotonic() < until:
        peer.sendall(answer)


SLOW = """
import sys, time
from node.dimse.calling import Called, Proposal
from node.dimse.exchange import exchange
from node.dimse.find_scu import STUDY_ROOT
from tests.kit.peak import peak_kb
from tests.kit.strange_provider import HOST
whom = Called(name="P", aet="Q", host=HOST, port=int(sys.argv[1]), calling="A")
with exchange(whom, [Proposal(STUDY_ROOT, ("1.2.840.10008.1.2",))]) as asking:
    time.sleep(4)
    asking.abort()
print(peak_kb() >> 10)
"""


def test_one_that_sends_ahead_waits_for_us_and_a_planted_reading_ahead_is_caught() -> None:
    with bare(ahead) as port:
        small = peak_mib(SLOW, port, "")
    with bare(ahead) as port:
        large = peak_mib(SLOW, port, "user-reads-ahead")
    assert small < 120
    assert large > small + 100


def endless(peer: socket.socket) -> None:
    context = accept(peer)
    read_pdu(peer)
    answer = distinct(context, 50)
    until = time.monotonic() + 8
    while time.monotonic() < until:
        peer.sendall(answer)


LIMIT = """
import sys
from node.dimse import find_scu
from tests.integration.test_user_hostile import ask
find_scu.ALL_S = find_scu.CANCEL_S = 2.0
try:
    print(len(ask(int(sys.argv[1]), limit=20).items), "stopped")
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(("planted", "said"), [("", "20 stopped"), ("find-without-limit", "20")])
def test_a_planted_query_without_a_limit_is_caught(planted: str, said: str) -> None:
    with bare(endless) as port:
        ran = subprocess.run(
            [sys.executable, "-c", LIMIT, str(port)],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "MERIDIAN_PLANTED": planted},
        )
    assert ran.stdout.startswith(said)
