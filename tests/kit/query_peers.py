"""Real query and retrieve providers on loopback, each with instances that it was sent."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.free_ports import free_ports
from tests.kit.http import wait_for
from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct, part10
from tests.kit.listeners import is_listened_at

HOST = "127.0.0.1"
ANYBODY = "anybody"


def slices(
    count: int, *, study_uid: str = "2.25.7", series: int = 1, syntax: str = EXPLICIT, **words: str
) -> dict[str, bytes]:
    """Give the data sets of a CT by SOP Instance UID, in so many series."""
    found = {}
    for n in range(1, count + 1):
        of = f"{study_uid}.{n % series + 1}"
        uid = f"{of}.{n}"
        found[uid] = make_ct(
            study_uid=study_uid, series_uid=of, sop_uid=uid, number=n, transfer_syntax=syntax, **words
        )
    return found


@contextmanager
def dcmqrscp(
    folder: Path, *, movers: Sequence[tuple[str, int]] = (), arguments: Sequence[str] = ()
) -> Iterator[int]:
    """dcmtk's provider; it knows these AE titles and ports as move destinations."""
    (port,) = free_ports(1)
    store = folder / "store"
    store.mkdir(parents=True)
    hosts = "".join(f"m{n} = ({aet}, {HOST}, {where})\n" for n, (aet, where) in enumerate(movers))
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\n{hosts}HostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nQRSCP {store} RW (200, 4096mb) ANY\nAETable END\n"
    )
    with running(["dcmqrscp", "-c", str(folder / "dcmqrscp.cfg"), *arguments], port):
        yield port


@contextmanager
def qrscp(folder: Path, *, movers: Sequence[tuple[str, int]] = ()) -> Iterator[int]:
    """pynetdicom's provider, on its own database; it knows these AE titles and ports as move destinations."""
    (port,) = free_ports(1)
    folder.mkdir(parents=True)
    sections = "".join(f"[{aet}]\naddress: {HOST}\nport: {where}\n" for aet, where in movers)
    (folder / "qrscp.ini").write_text(
        f"[DEFAULT]\nae_title: QRSCP\nport: {port}\nmax_pdu: 16382\nbind_address: {HOST}\n"
        "acse_timeout: 30\ndimse_timeout: 30\nnetwork_timeout: 30\nlog_identifier: False\n"
        f"instance_location: {folder / 'instances'}\ndatabase_location: {folder / 'instances.sqlite'}\n{sections}"
    )
    with running([sys.executable, "-m", "pynetdicom", "qrscp", "-q", "-c", str(folder / "qrscp.ini")], port):
        yield port


@contextmanager
def storescp(folder: Path, *arguments: str) -> Iterator[int]:
    """dcmtk's storage SCP, keeping bytes as they come."""
    (port,) = free_ports(1)
    folder.mkdir(parents=True, exist_ok=True)
    with running(["storescp", *arguments, "--bit-preserving", "-od", str(folder), str(port)], port):
        yield port


def fill(
    port: int, aet: str, data_sets: Iterable[tuple[str, bytes]], folder: Path, *, syntax: str = EXPLICIT
) -> None:
    """Send instances to a peer with dcmtk."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for n, (uid, data_set) in enumerate(data_sets):
        path = folder / f"{n}.dcm"
        path.write_bytes(part10(data_set, sop_uid=uid, sop_class=CT_IMAGE, transfer_syntax=syntax))
        files.append(str(path))
    subprocess.run(
        ["storescu", "-aec", aet, "-xe" if syntax == EXPLICIT else "-xi", HOST, str(port), *files],
        check=True,
        capture_output=True,
        timeout=60,
        env={**os.environ, "TCP_NODELAY": "1"},
    )


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"{command[0]} to listen", lambda: is_listened_at(port))
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
