"""The receivers that the bench holds side by side: ours, Orthanc, storescp; each started on an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from federation.statements import CENTRE
from node.dimse.admission import admit_device
from node.names import NodeId
from node.people.accounts import OPERATOR
from ops.founding import Place, found_on_this_machine
from ops.free_ports import free_ports
from ops.running import start_node
from tests.bench._usage import wait_until_quiet
from tests.kit.http import wait_for
from tests.kit.listeners import is_listened_at
from tests.kit.rows import read_rows

END_S = 30.0
CAUGHT_UP_S = 120.0
OURS, ORTHANC, STORESCP = "meridian", "orthanc", "storescp"
NAMES = (OURS, ORTHANC, STORESCP)


@dataclass(frozen=True, slots=True)
class Listening:
    """A server that takes instances."""

    port: int
    aet: str
    receiving: psutil.Process
    """The process, with its children, that answers C-STORE."""
    beside: tuple[psutil.Process, ...] = ()
    """Processes that must also work until what came can be found."""


class Server(Protocol):
    """One kind of receiver."""

    def run(self, folder: Path, environment: Mapping[str, str]) -> AbstractContextManager[Listening]:
        """Start it, wait until it listens, and end it."""

    def caught_up(self, folder: Path, count: int) -> None:
        """Wait until all of it can be found."""

    def stored(self, folder: Path) -> int:
        """Count the instances that it has, after it ended."""


class Meridian:
    """A node of its own as production runs it: durable, hashed, indexed behind; receiver, grid and worker."""

    def __init__(self, directory: Path) -> None:
        """Found it once; each run begins with a copy."""
        self._founded = directory / "founded"
        place = Place(id="alpha", name="Alpha", role=CENTRE, listens=True, reserve_mb=2048, quiet_s=60.0)
        node = found_on_this_machine(self._founded, (place,))[NodeId("alpha")]
        admit_device(
            node, OPERATOR.id, calling="*", address="127.0.0.1", issuer="HIS", department="radiology"
        )
        node.close()

    @contextmanager
    def run(self, folder: Path, environment: Mapping[str, str]) -> Iterator[Listening]:
        shutil.copytree(self._founded / "alpha", folder)
        node = start_node(folder, environment=dict(environment))
        try:
            node.wait_until_ready()
            wait_until_quiet(psutil.Process(node.pid))
            kinds = _kinds(psutil.Process(node.pid))
            yield Listening(node.dicom.port, node.dicom.aet, kinds["receiver"], (kinds["grid"],))
        finally:
            node.stop()

    def caught_up(self, folder: Path, count: int) -> None:
        wait_for(f"{count} registered instances", lambda: self.stored(folder) >= count, timeout_s=CAUGHT_UP_S)

    def stored(self, folder: Path) -> int:
        sql = "SELECT COUNT(DISTINCT sop_uid) AS n FROM instance WHERE state = 'chosen'"
        return int(read_rows(folder, sql)[0]["n"])


class Orthanc:
    """Orthanc under its own defaults; only ports and folders are said, and that it serves no HTTP."""

    def __init__(self, **said: object) -> None:
        """Set one up; ``said`` stands in its configuration beside."""
        self._said = said

    @contextmanager
    def run(self, folder: Path, environment: Mapping[str, str]) -> Iterator[Listening]:
        (port,) = free_ports(1)
        storage = folder / "storage"
        storage.mkdir(parents=True)
        said = {
            "StorageDirectory": str(storage),
            "IndexDirectory": str(storage),
            "DicomPort": port,
            "HttpServerEnabled": False,
            **self._said,
        }
        (folder / "orthanc.json").write_text(json.dumps(said))
        command = [program("Orthanc"), str(folder / "orthanc.json")]
        with running(command, port, folder, environment) as process:
            yield Listening(port, "ORTHANC", process)

    def caught_up(self, folder: Path, count: int) -> None:
        """Its index is written before it answers."""

    def stored(self, folder: Path) -> int:
        with closing(sqlite3.connect(folder / "storage" / "index")) as index:
            (count,) = index.execute("SELECT COUNT(*) FROM Resources WHERE resourceType = 4").fetchone()
        return int(count)


class Storescp:
    """dcmtk's storescp: a process for each association, a file for each instance; it syncs nothing."""

    @contextmanager
    def run(self, folder: Path, environment: Mapping[str, str]) -> Iterator[Listening]:
        (port,) = free_ports(1)
        (folder / "files").mkdir(parents=True)
        command = [program("storescp"), "--fork", "-od", str(folder / "files"), "+xa", str(port)]
        with running(command, port, folder, environment) as process:
            yield Listening(port, "STORESCP", process)

    def caught_up(self, folder: Path, count: int) -> None:
        """It has no index."""

    def stored(self, folder: Path) -> int:
        return len(list((folder / "files").iterdir()))


def _kinds(parent: psutil.Process) -> dict[str, psutil.Process]:
    """Give a node's processes by kind."""
    found = {}
    for child in parent.children():
        words = child.cmdline()
        found[words[words.index("ops.process") + 1]] = child
    return found


def program(name: str) -> str:
    """Give where a program lies."""
    found = shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if found is None:
        raise SystemExit(f"This bench needs {name}. Run it with 'make bench', which brings it.")
    return found


@contextmanager
def running(
    command: list[str], port: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[psutil.Process]:
    """Run a server until it is no longer wanted; its lines go to a file."""
    with (folder / "lines").open("ab") as lines:
        process = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=lines, stderr=lines)
    try:
        wait_for(f"{command[0]} to listen", lambda: is_listened_at(port))
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
