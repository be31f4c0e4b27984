"""kill -9 of the receiver in the middle of streams: nothing that was answered for is lost."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct
from tests.kit.raw_sender import Aborted, RawSender
from tests.kit.receiving import ReceiverProcess, WarmReceivers, admit_all, packs_of, records

CYCLES = 20
SENDERS = 2
HOST = "127.0.0.1"


class Stream(threading.Thread):
    """A device that sends until its receiver dies, and remembers what was answered for."""

    def __init__(self, port: int, study: str) -> None:
        super().__init__(name=study)
        self._port = port
        self._study = study
        self.acknowledged: dict[str, str] = {}
        self.begun = threading.Event()

    def run(self) -> None:
        try:
            with RawSender(HOST, self._port, contexts=[(CT_IMAGE, EXPLICIT)]) as sender:
                for n in range(100_000):
                    uid = f"{self._study}.1.{n}"
                    data_set = make_ct(study_uid=self._study, sop_uid=uid, number=n, rows=16, columns=16)
                    sent = sender.store(
                        sop_class=CT_IMAGE, sop_uid=uid, transfer_syntax=EXPLICIT, data_set=data_set
                    )
                    if sent.status == 0:
                        self.acknowledged[uid] = hashlib.sha256(data_set).hexdigest()
                        self.begun.set()
        except (Aborted, OSError):
            self.begun.set()


def cycle(receivers: WarmReceivers, state: Path, n: int, *, after_s: float) -> dict[str, str]:
    """Let devices send, kill the receiver, give what it had answered for."""
    pid, port = receivers.start(state)
    streams = [Stream(port, f"2.25.{100 * n + k + 1}") for k in range(SENDERS)]
    for stream in streams:
        stream.start()
    for stream in streams:
        assert stream.begun.wait(20)
    time.sleep(after_s)
    receivers.kill(pid)
    for stream in streams:
        stream.join(timeout=20)
    return {uid: digest for stream in streams for uid, digest in stream.acknowledged.items()}


def lost(state: Path, acknowledged: dict[str, str]) -> list[str]:
    """Recover, read every byte back, and give what is not there as it was sent."""
    packs = packs_of(state)
    assert packs.recover().damaged == ()
    held = {record.sop_uid: packs.check(record.location) for record in records(state)}
    return [uid for uid, digest in acknowledged.items() if held.get(uid) != digest]


@contextmanager
def warm(planted: str = "") -> Iterator[WarmReceivers]:
    receivers = WarmReceivers(environment={"MERIDIAN_PLANTED": planted})
    try:
        yield receivers
    finally:
        receivers.close()


def test_nothing_that_was_answered_for_is_lost(tmp_path: Path) -> None:
    admit_all(tmp_path)
    chance = random.Random(7)
    acknowledged: dict[str, str] = {}
    with warm() as receivers:
        for n in range(CYCLES):
            acknowledged |= cycle(receivers, tmp_path, n, after_s=chance.uniform(0, 0.6))
    assert len(acknowledged) >= CYCLES * SENDERS
    assert lost(tmp_path, acknowledged) == []
    print(f"{len(acknowledged)} acknowledged in {CYCLES} cycles, 0 lost")


def test_a_planted_answer_before_the_record_is_caught(tmp_path: Path) -> None:
    admit_all(tmp_path)
    with warm("answer-before-record") as receivers:
        for n in range(CYCLES):
            if lost(tmp_path, cycle(receivers, tmp_path, n, after_s=0.05)):
                return
    pytest.fail("the kill cycles did not notice")


@pytest.mark.parametrize(("point", "answered", "held"), [("received", 2, {2, 3}), ("answered", 2, {3})])
def test_killed_at_the_point_what_was_answered_is_there(
    tmp_path: Path, point: str, answered: int, held: set[int]
) -> None:
    admit_all(tmp_path)
    process = ReceiverProcess(tmp_path, environment={"MERIDIAN_FAILPOINTS": f"{point}:3"})
    stream = Stream(process.port, "2.25.1")
    stream.start()
    stream.join(timeout=20)
    process.wait()
    assert len(stream.acknowledged) == answered
    assert lost(tmp_path, stream.acknowledged) == []
    assert len(records(tmp_path)) in held
    ReceiverProcess(tmp_path).stop()
