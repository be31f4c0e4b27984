"""A receiver over a temporary state folder, in this process or as one of its own that can be killed.

``python -m tests.kit.receiving STATE`` runs one until its standard input ends; it prints its port.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from node.allocator import stay_small
from node.bell import Bell
from node.clock import SystemClock
from node.config import Config, DicomSection, NodeSection
from node.dimse.barrier import CaughtUp, index_of
from node.dimse.classes import EVERYTHING, Classes
from node.dimse.rules import FILE, Rule, Rules, write_rules
from node.dimse.server import Receiver
from node.node import Node
from node.store.facts import MarkedRecord
from node.store.packs import Packs

ROOT = Path(__file__).resolve().parents[2]


def config_for(*, max_associations: int = 64, release_barrier_s: float = 2.0) -> Config:
    """Give a configuration that listens on a free port of this machine."""
    dicom = DicomSection(port=0, max_associations=max_associations, release_barrier_s=release_barrier_s)
    return Config(node=NodeSection(id="alpha", name="Alpha"), dicom=dicom)


def admit_all(state: Path, *rules: Rule) -> None:
    """Publish rules; without any, one that lets everybody in."""
    published = rules or (rule(),)
    write_rules(state / "landing" / FILE, Rules(called=("ALPHA",), rules=published))


def rule(
    calling: str = "*",
    address: str = "*",
    *,
    admitted: bool = True,
    certificate: str = "*",
    called: str = "*",
    classes: Classes = EVERYTHING,
    at_once: int = 0,
) -> Rule:
    """Give a rule."""
    return Rule(
        calling=calling,
        address=address,
        admitted=admitted,
        version=3,
        issuer="HIS",
        trust_issuer=False,
        department="radiology",
        certificate=certificate,
        called=called,
        classes=classes,
        at_once=at_once,
    )


def packs_of(state: Path, *, reserve_bytes: int = 0) -> Packs:
    """Open the packs of a receiver."""
    return Packs(state / "packs", SystemClock(), 1 << 30, reserve_bytes, writer="receiver")


@contextmanager
def receiving(
    state: Path,
    *,
    config: Config | None = None,
    packs: Packs | None = None,
    caught_up: CaughtUp | None = None,
    bell: Bell | None = None,
    catalogue: Callable[[], Node] | None = None,
) -> Iterator[Receiver]:
    """Run a receiver in this process."""
    receiver = Receiver(
        config or config_for(),
        state,
        packs=packs or packs_of(state),
        clock=SystemClock(),
        bell=bell,
        caught_up=caught_up,
        catalogue=catalogue,
    )
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop(drain_s=0)


def records(state: Path) -> list[MarkedRecord]:
    """Give every record that a reader may believe."""
    packs = packs_of(state)
    return [record for pack in packs.names() for record in packs.marked(pack, 0)]


class ReceiverProcess:
    """A receiver as a process of its own."""

    def __init__(
        self, state: Path, *, environment: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
    ) -> None:
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.kit.receiving", str(state)],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.pid = self._process.pid

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.send_signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        """End it in order."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.wait()

    def wait(self) -> int:
        return self._process.wait(timeout=30)


def main(arguments: list[str]) -> int:
    stay_small()
    receiver = _started(Path(arguments[0]))
    print(receiver.port, flush=True)
    while sys.stdin.read(1024):
        continue
    receiver.stop(drain_s=5)
    return 0


def _started(state: Path) -> Receiver:
    """Do what a receiver process does at start: recover, then listen."""
    packs = packs_of(state)
    report = packs.recover()
    assert not report.damaged, report
    receiver = Receiver(
        config_for(max_associations=int(os.environ.get("MERIDIAN_TEST_ASSOCIATIONS", "64"))),
        state,
        packs=packs,
        clock=SystemClock(),
        bell=Bell(state / "run"),
        caught_up=index_of(state / "meridian.db"),
    )
    receiver.start()
    return receiver


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
