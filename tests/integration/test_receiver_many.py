"""Many at once, and for long: everybody is served, and the process stays as small as it was."""

from __future__ import annotations

import contextlib
import os
import random
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.instances import CT_IMAGE, DEFLATED, EXPLICIT, IMPLICIT, make_ct
from tests.kit.raw_sender import VERIFICATION, Aborted, RawSender, Rejected, associate_rq
from tests.kit.receiving import ReceiverProcess, admit_all, records

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[2]
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
HELD = 200
SOAK_S = 1800.0 if os.environ.get("MERIDIAN_LONG") else 90.0
SWOLLEN_BYTES = 60 << 20
SENDERS = 6
"""At once, in the soak."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a process holds."""

    rss_kb: int
    threads: int
    files: int


def size_of(pid: int) -> Size:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Size(int(status["VmRSS"].split()[0]), int(status["Threads"]), files)


def opened(port: int, *, more: bool = False) -> RawSender:
    contexts = [(CT_IMAGE, EXPLICIT), (VERIFICATION, IMPLICIT), *([(FIND, IMPLICIT)] if more else [])]
    return RawSender(HOST, port, contexts=contexts, timeout_s=60)


def store(sender: RawSender, uid: str, *, rows: int = 8) -> int:
    data_set = make_ct(sop_uid=uid, rows=rows, columns=512)
    return sender.store(sop_class=CT_IMAGE, sop_uid=uid, transfer_syntax=EXPLICIT, data_set=data_set).status


def test_two_hundred_associations_are_held_and_all_are_served(tmp_path: Path) -> None:
    admit_all(tmp_path)
    process = ReceiverProcess(tmp_path, environment={"MERIDIAN_TEST_ASSOCIATIONS": str(HELD)})
    held = [opened(process.port) for _ in range(HELD)]
    with pytest.raises(Rejected) as refused:
        opened(process.port)
    assert (refused.value.result, refused.value.source, refused.value.reason) == (2, 3, 2)
    for turn in range(2):
        assert {store(sender, f"2.25.1.{turn}.{n}", rows=512) for n, sender in enumerate(held)} == {0}
        assert {sender.echo() for sender in held} == {0}
    assert size_of(process.pid).rss_kb < 100_000
    for sender in held:
        sender.release()
    wait_until_alone(process.pid)
    process.stop()
    assert len(records(tmp_path)) == 2 * HELD


def test_sixty_four_that_send_at_once_stay_below_100_mb(tmp_path: Path) -> None:
    admit_all(tmp_path)
    process = ReceiverProcess(tmp_path)
    files = tmp_path / "ct.dat"
    files.write_bytes(make_ct(sop_uid="2.25.1.1.1", rows=512, columns=512))
    senders = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.integration.test_receiver_many", str(process.port), str(files)],
            cwd=ROOT,
        )
        for _ in range(4)
    ]
    assert [sender.wait(timeout=240) for sender in senders] == [0] * 4
    peak_kb = int(Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0])
    process.stop()
    assert len(records(tmp_path)) == 64 * 3
    assert peak_kb < 100_000


@pytest.mark.parametrize(
    ("fault", "holds_one"), [("", True), ("inflated-all-at-once", False)], ids=["as it is", "planted"]
)
def test_data_sets_that_swell_are_looked_through_one_at_a_time(
    tmp_path: Path, fault: str, *, holds_one: bool
) -> None:
    admit_all(tmp_path)
    process = ReceiverProcess(tmp_path, environment={"MERIDIAN_PLANTED": fault})
    wide = make_ct(sop_uid="2.25.1.1.1", pixels=bytes(SWOLLEN_BYTES), transfer_syntax=DEFLATED)
    assert len(wide) < SWOLLEN_BYTES / 500
    statuses: list[int] = []

    def send() -> None:
        with RawSender(HOST, process.port, contexts=[(CT_IMAGE, DEFLATED)], timeout_s=60) as sender:
            for _ in range(4):
                sent = sender.store(
                    sop_class=CT_IMAGE, sop_uid="2.25.1.1.1", transfer_syntax=DEFLATED, data_set=wide
                )
                statuses.append(sent.status)
            sender.release()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    peak_kb = int(Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0])
    process.stop()
    assert statuses == [0] * 32
    assert (peak_kb < 3 * SWOLLEN_BYTES / 1024) == holds_one, f"{peak_kb / 1024:.0f} MiB"


@pytest.mark.timeout(SOAK_S + 300)
def test_a_long_mixed_day_leaves_memory_threads_and_files_as_they_were(tmp_path: Path) -> None:
    admit_all(tmp_path)
    process = ReceiverProcess(tmp_path)
    until = time.monotonic() + SOAK_S
    faults: list[str] = []
    stored = [0] * SENDERS

    def day(n: int) -> None:
        chance = random.Random(n)
        while time.monotonic() < until and not faults:
            act = chance.choice(ACTS)
            try:
                stored[n] += act(process.port, f"2.25.9.{n}.{chance.getrandbits(60)}", chance)
            except (Aborted, Rejected, OSError, AssertionError) as error:
                faults.append(f"{act.__name__}: {error!r}")

    threads = [threading.Thread(target=day, args=(n,)) for n in range(SENDERS)]
    for thread in threads:
        thread.start()
    time.sleep(SOAK_S / 4)
    warm = size_of(process.pid)
    for thread in threads:
        thread.join()
    assert faults == []
    wait_until_alone(process.pid)
    rested = size_of(process.pid)
    process.stop()
    assert len(records(tmp_path)) == sum(stored) > 50
    assert rested.rss_kb < warm.rss_kb + 10_000, (warm, rested)
    assert rested.files <= warm.files, (warm, rested)


def wait_until_alone(pid: int) -> None:
    """Wait until only the threads are left that a receiver without callers has."""
    until = time.monotonic() + 60
    while size_of(pid).threads > 2 and time.monotonic() < until:
        time.sleep(0.1)
    assert size_of(pid).threads <= 2


def small(port: int, uid: str, chance: random.Random) -> int:
    with opened(port) as sender:
        count = chance.randint(1, 20)
        assert [store(sender, f"{uid}.{n}") for n in range(count)] == [0] * count
        sender.release()
    return count


def large(port: int, uid: str, chance: random.Random) -> int:
    with opened(port) as sender:
        assert store(sender, uid, rows=chance.randint(512, 4096)) == 0
        sender.release()
    return 1


def beside(port: int, uid: str, chance: random.Random) -> int:
    with opened(port, more=True) as sender:
        assert store(sender, uid) == 0
        assert sender.echo() == 0
        sender.release()
    return 1


def malformed(port: int, uid: str, chance: random.Random) -> int:
    rows = chance.choice([8, 2048])
    data_set = make_ct(sop_uid=uid, rows=rows, columns=512)
    with opened(port) as sender:
        for _ in range(5):
            cut = data_set[: -chance.randint(1, 1000)]
            sent = sender.store(sop_class=CT_IMAGE, sop_uid=uid, transfer_syntax=EXPLICIT, data_set=cut)
            assert sent.status == 0xC000
        sender.release()
    return 0


def broken_off(port: int, uid: str, chance: random.Random) -> int:
    data_set = make_ct(sop_uid=uid, rows=2048, columns=512)
    sender = opened(port)
    sender._fragment = 16_000
    with contextlib.suppress(OSError):
        sender.socket.settimeout(0.2)
        sender.send_store(
            sop_class=CT_IMAGE, sop_uid=uid, transfer_syntax=EXPLICIT, data_set=data_set[:-1_000_000]
        )
        sender.socket.sendall(struct.pack(">BBLLBB", 4, 0, 5000, 4994, 1, 0))
    sender.close()
    return 0


def half_a_request(port: int, uid: str, chance: random.Random) -> int:
    with contextlib.suppress(OSError):
        sender = opened(port)
        sender.socket.sendall(associate_rq("CT1", "ALPHA", [])[: chance.randint(1, 60)])
        sender.close()
    return 0


ACTS = (small, large, beside, malformed, broken_off, half_a_request)


def send_from_sixteen(port: int, data_set: bytes) -> None:
    """Send three instances over each of sixteen associations at once."""
    failed: list[object] = []

    def send() -> None:
        with opened(port) as sender:
            for _ in range(3):
                sent = sender.store(
                    sop_class=CT_IMAGE, sop_uid="2.25.1.1.1", transfer_syntax=EXPLICIT, data_set=data_set
                )
                if sent.status != 0:
                    failed.append(sent)
            sender.release()

    threads = [threading.Thread(target=send) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


if __name__ == "__main__":
    send_from_sixteen(int(sys.argv[1]), Path(sys.argv[2]).read_bytes())
