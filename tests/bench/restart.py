"""How long a node that was killed takes until a device's C-ECHO is answered: 100,000 instances in 1,000 packs.

From the exec of ``ops.serve`` to the answer. Between rounds devices send, and every process is
ended with SIGKILL in the middle of it, so some packs are landing and one or more are torn.
Packs and rows are written by the doors' own functions; only the syncs of filling are left out. The page cache is warm.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from actors.ingest import Ingest
from node.clock import SystemClock
from node.database.port import integer
from node.dimse.admission import admit_device
from node.node import Node
from node.people.accounts import OPERATOR
from ops.compose import compose_node
from ops.configuration import write_configuration
from ops.free_ports import free_ports
from ops.running import RunningNode, start_node
from tests.kit.actors import Failures
from tests.kit.instances import make_ct
from tests.kit.promises import Device
from tests.kit.raw_sender import IMPLICIT, VERIFICATION, Aborted, RawSender
from tests.kit.registering import facts, store

PACKS = 1_000
INSTANCES_A_PACK = 100
PACKS_AT_ONCE = 20
ROUNDS = 5
DEVICES = 4
SEND_S = 1.5
AT_MOST_S = 120.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "alpha"
        dicom, web = free_ports(2)
        write_configuration(
            state, id="alpha", name="Alpha", dicom_port=dicom, web_port=web, quiet_s=86_400.0, reserve_mb=1
        )
        began = time.monotonic()
        _fill(state)
        print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
        _leave_torn(state, 0)
        took, worked = [], []
        for n in range(1, ROUNDS + 1):
            landing, instances = _landing(state)
            node, echo_s = _time_to_echo(state)
            took.append(echo_s)
            receiver, all_of_them = _spent(node)
            worked.append(receiver)
            print(
                f"round {n} of {ROUNDS}: {echo_s:.2f} s, {landing} packs landing; CPU of the receiver {receiver:.2f} s,"
                f" of all its processes {all_of_them:.2f} s; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
                flush=True,
            )
            _send_and_kill(node, n)
        landing, instances = _landing(state)
        packs = len(list((state / "packs").glob("*.pack")))
    print(f"{'':<26}{'min':>8}{'median':>8}{'max':>8}")
    for title, values in {"exec to C-ECHO, s": took, "CPU of the receiver, s": worked}.items():
        print(f"{title:<26}{min(values):8.2f}{statistics.median(values):8.2f}{max(values):8.2f}")
    print(f"restart: echo_s={statistics.median(took):.2f} packs={packs} instances={instances}")


def _fill(state: Path) -> None:
    """Store and register studies of one pack each, and admit every device of this machine."""
    node = compose_node(state, process="receiver", clock=SystemClock())
    try:
        admit_device(node, OPERATOR.id, calling="*", address="127.0.0.1", issuer="HIS", department="CT")
        ingest = Ingest(Failures(), node)
        with _without_syncs():
            for first in range(0, PACKS, PACKS_AT_ONCE):
                for n in range(first, first + PACKS_AT_ONCE):
                    _store_study(node, f"2.25.{1000 + n}")
                while node.packs.landing():
                    ingest.step()
                if first % 200 == 0:
                    print(f"filling: {first} of {PACKS} packs", flush=True)
        assert _count(node) == PACKS * INSTANCES_A_PACK
    finally:
        node.close()


def _store_study(node: Node, study_uid: str) -> None:
    data_sets = [
        make_ct(study_uid=study_uid, series_uid=f"{study_uid}.1", sop_uid=f"{study_uid}.1.{n}", number=n)
        for n in range(1, INSTANCES_A_PACK + 1)
    ]
    store(node, *data_sets, given=facts(node, study_uid=study_uid))


def _leave_torn(state: Path, n: int) -> None:
    node, _ = _time_to_echo(state)
    _send_and_kill(node, n)


def _time_to_echo(state: Path) -> tuple[RunningNode, float]:
    began = time.monotonic()
    node = start_node(state)
    while True:
        try:
            with RawSender(
                node.dicom.host, node.dicom.port, called=node.dicom.aet, contexts=[(VERIFICATION, IMPLICIT)]
            ) as sender:
                assert sender.echo() == 0
                return node, time.monotonic() - began
        except (Aborted, OSError):
            assert node.alive, node.log.read_text()
            assert time.monotonic() - began < AT_MOST_S, node.log.read_text()
            time.sleep(0.01)


def _spent(node: RunningNode) -> tuple[float, float]:
    """Give the CPU seconds of the receiver so far, and of all processes of the node: on a busy machine they say more."""
    parent = psutil.Process(node.pid)
    spent = {one.pid: sum(one.cpu_times()[:2]) for one in (parent, *parent.children(recursive=True))}
    receiver = next(one for one in parent.children() if "receiver" in one.cmdline())
    return spent[receiver.pid], sum(spent.values())


def _send_and_kill(node: RunningNode, n: int) -> None:
    """Let devices send, then end every process of the node at once."""
    devices = [
        Device(node.dicom.port, f"2.25.{n + 1}.{k}", sizes=(200, 2_000)) for k in range(1, DEVICES + 1)
    ]
    for device in devices:
        device.start()
    time.sleep(SEND_S)
    parent = psutil.Process(node.pid)
    for process in (parent, *parent.children(recursive=True)):
        process.kill()
    node.process.wait()
    for device in devices:
        device.join(timeout=40)
    while node.dicom.port in {
        one.laddr.port for one in psutil.net_connections("tcp") if one.status == "LISTEN"
    }:
        time.sleep(0.01)


def _landing(state: Path) -> tuple[int, int]:
    """Give how many packs the index has not caught up with, and how many instances it knows."""
    node = compose_node(state)
    try:
        return len(node.packs.landing()), _count(node)
    finally:
        node.close()


def _count(node: Node) -> int:
    return integer(node.database.read("SELECT count(*) AS n FROM instance")[0], "n")


@contextmanager
def _without_syncs() -> Iterator[None]:
    """Let packs be filled at the speed of memory."""
    sync, os.fdatasync = os.fdatasync, lambda _: None
    try:
        yield
    finally:
        os.fdatasync = sync


if __name__ == "__main__":
    main()
