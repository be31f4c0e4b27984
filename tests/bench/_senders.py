"""How the bench sends: unmodified storescu, our own sender from memory, and 64 associations that hold at once.

Time runs from the first connection to the end of the last sender. storescu reads every
file before it connects, which is no part of receiving; senders from memory start at a word.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench._memory_sender import contexts_of, recorded
from tests.bench._servers import Listening
from tests.bench._usage import cpu_s
from tests.kit.raw_sender import RawSender, read_file

DEADLINE_S = 300.0
HOST = "127.0.0.1"
LOOK_S = 0.001
HOLD_S = 1.0
Parts = Sequence[Sequence[Path]]
"""The files of each association."""


@dataclass(frozen=True, slots=True)
class Spent:
    """How long it took, and the senders' CPU in that time."""

    wall_s: float
    sender_s: float


class Senders:
    """Processes that send, one for each part."""

    def __init__(self, processes: list[subprocess.Popen[bytes]], children_s: float) -> None:
        self.processes = processes
        self._children_s = children_s
        self._began = self._before_s = 0.0

    def begin(self) -> None:
        """Let the clock run from here."""
        self._began = time.perf_counter()
        self._before_s = sum(cpu_s(psutil.Process(sender.pid)) for sender in self.processes)

    def finish(self) -> Spent:
        """Wait until all have ended; one that failed fails the bench."""
        codes = [sender.wait(DEADLINE_S) for sender in self.processes]
        wall = time.perf_counter() - self._began
        assert not any(codes), f"a sender failed: {codes}"
        return Spent(wall, _children_s() - self._children_s - self._before_s)


def storescu(server: Listening, parts: Parts, environment: Mapping[str, str]) -> Spent:
    """Send by one storescu for each part, all at once."""
    with _started(_storescu(server), parts, environment) as senders:
        _wait_for_a_connection(server.port, senders.processes)
        senders.begin()
        return senders.finish()


def warm(server: Listening, file: Path, environment: Mapping[str, str]) -> None:
    """Send an instance without looking at the clock."""
    command = [*_storescu(server), str(file)]
    subprocess.run(command, env=dict(environment), check=True, capture_output=True, timeout=DEADLINE_S)


def from_memory(server: Listening, parts: Parts, environment: Mapping[str, str]) -> Spent:
    """Send by one process of ours for each part, which has everything in memory before the clock runs."""
    command = [sys.executable, "-m", "tests.bench._memory_sender", HOST, str(server.port), server.aet]
    with _started(command, parts, environment) as senders:
        for sender in senders.processes:
            assert sender.stdout is not None
            assert sender.stdout.readline() == b"ready\n", "a sender did not get ready"
        senders.begin()
        for sender in senders.processes:
            assert sender.stdin is not None
            sender.stdin.write(b"go\n")
            sender.stdin.flush()
        return senders.finish()


def all_at_once(server: Listening, parts: Parts, environment: Mapping[str, str]) -> Spent:
    """Open an association for each part; each holds half of its first instance back until all have sent theirs."""
    barrier = threading.Barrier(len(parts), timeout=DEADLINE_S)
    problems: list[BaseException] = []

    def send(part: Sequence[Path]) -> None:
        try:
            _send_with_a_pause(server, part, barrier)
        except BaseException as error:  # raised below, by the thread that waits
            problems.append(error)
            barrier.abort()

    began = time.perf_counter()
    threads = [threading.Thread(target=send, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return Spent(time.perf_counter() - began, 0.0)


def _send_with_a_pause(server: Listening, part: Sequence[Path], barrier: threading.Barrier) -> None:
    files = [read_file(path) for path in part]
    contexts = contexts_of(files)
    with RawSender(HOST, server.port, called=server.aet, contexts=contexts, timeout_s=DEADLINE_S) as sender:
        first, *others = recorded(sender, files)
        half = len(first) // 2
        sender.socket.sendall(first[:half])
        barrier.wait()
        time.sleep(HOLD_S)
        for message in (first[half:], *others):
            sender.socket.sendall(message)
            assert sender.answer().status == 0
        sender.release()


def _storescu(server: Listening) -> list[str]:
    return ["storescu", "-R", "-aec", server.aet, HOST, str(server.port)]


@contextmanager
def _started(command: list[str], parts: Parts, environment: Mapping[str, str]) -> Iterator[Senders]:
    before = _children_s()
    processes = [
        subprocess.Popen(
            [*command, *map(str, part)],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if command[0] == sys.executable else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for part in parts
    ]
    try:
        yield Senders(processes, before)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _wait_for_a_connection(port: int, senders: list[subprocess.Popen[bytes]]) -> None:
    """Return when the first stands."""
    established, wanted = "01", f":{port:04X}"
    while any(sender.poll() is None for sender in senders):
        for fields in map(str.split, Path("/proc/net/tcp").read_text().splitlines()):
            if fields[2].endswith(wanted) and fields[3] == established:
                return
        time.sleep(LOOK_S)
    raise AssertionError("the senders ended without a connection")


def _children_s() -> float:
    """Give the CPU time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
