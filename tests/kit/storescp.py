"""dcmtk's storage SCP on a free port of this machine, keeping bytes as they come."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.free_ports import free_ports
from tests.kit.http import wait_for

HOST = "127.0.0.1"


@dataclass(frozen=True)
class StoreScp:
    """One that runs."""

    port: int
    folder: Path

    def received(self) -> list[Path]:
        """Give the files it has kept."""
        return sorted(self.folder.iterdir())


@contextmanager
def storescp(folder: Path, title: str = "PACS", *arguments: str) -> Iterator[StoreScp]:
    """Run one."""
    folder.mkdir(exist_ok=True)
    (port,) = free_ports(1)
    process = subprocess.Popen(
        ["storescp", "-aet", title, *arguments, "--bit-preserving", "-od", str(folder), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for("storescp listens", lambda: listens(port))
        yield StoreScp(port, folder)
    finally:
        process.terminate()
        process.wait(timeout=10)


def listens(port: int) -> bool:
    """Say whether somebody does."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True
