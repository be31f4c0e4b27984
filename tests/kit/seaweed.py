"""SeaweedFS as an object store on loopback: one process, bounded memory, two keys, one of which may only read."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Self

from node.archive.stores.credentials import Credentials
from ops.free_ports import free_ports
from tests.kit.http import wait_for

HOST = "127.0.0.1"
WRITER = Credentials(access_key_id="AKNODE", secret_access_key="not-a-secret-of-the-node")
READER = Credentials(access_key_id="AKREADER", secret_access_key="not-a-secret-of-a-reader")
_ROLES = ("filer", "s3", "master", "volume")
_ACTIONS = ((WRITER, ["Admin", "Read", "Write", "List", "Tagging"]), (READER, ["Read", "List"]))


class Seaweed:
    """The server, from its start until it is left."""

    def __init__(self, folder: Path) -> None:
        self._ports = free_ports(2 * len(_ROLES))
        self._filer, self._s3 = self._ports[:2]
        (folder / "data").mkdir()
        (folder / "s3.json").write_text(json.dumps({"identities": [_identity(*one) for one in _ACTIONS]}))
        with (folder / "lines").open("wb") as lines:
            self._process = subprocess.Popen(
                [*_command(folder), *_given(self._ports)],
                stdout=lines,
                stderr=lines,
                cwd=folder,
                env={**os.environ, "GOMEMLIMIT": "256MiB", "GOMAXPROCS": "2", "HOME": str(folder)},
            )

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self._s3}"

    def make_bucket(self, name: str) -> None:
        """Make a bucket as its administrator does."""
        wait_for(f"bucket {name}", lambda: self._ask(self._filer, "POST", f"/buckets/{name}/") == 201)

    def __enter__(self) -> Self:
        try:
            wait_for("SeaweedFS to answer", lambda: self._ask(self._s3, "GET", "/") == 403)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, and take away the sockets that it makes in /tmp, wherever its files are, and leaves there."""
        self._process.kill()
        self._process.wait(30)
        for role, port in zip(_ROLES, self._ports[len(_ROLES) :], strict=True):
            Path(f"/tmp/seaweedfs-{role}-grpc-{port}.sock").unlink(missing_ok=True)

    def _ask(self, port: int, method: str, path: str) -> int:
        connection = http.client.HTTPConnection(HOST, port, timeout=10)
        try:
            connection.request(method, path)
            return connection.getresponse().status
        finally:
            connection.close()


def _command(folder: Path) -> list[str]:
    return [
        str(Path(sysconfig.get_path("scripts")) / "weed"),
        "server",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        f"-dir={folder / 'data'}",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=8",
        "-volume.minFreeSpace=1",
        "-filer",
        f"-filer.localSocket={folder / 'filer.sock'}",
        "-s3",
        f"-s3.config={folder / 's3.json'}",
        f"-s3.localSocket={folder / 's3.sock'}",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]


def _given(ports: list[int]) -> list[str]:
    names = [f"{role}.port{suffix}" for suffix in ("", ".grpc") for role in _ROLES]
    return [f"-{name}={port}" for name, port in zip(names, ports, strict=True)]


def _identity(credentials: Credentials, actions: list[str]) -> dict[str, object]:
    pair = {"accessKey": credentials.access_key_id, "secretKey": credentials.secret_access_key}
    return {"name": credentials.access_key_id, "credentials": [pair], "actions": actions}
