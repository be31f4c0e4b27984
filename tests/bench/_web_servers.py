"""The DICOMweb servers that the bench holds side by side: this node, Orthanc with its plug-in, and a bare handler."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from federation.statements import CENTRE
from node.allocator import keep_freed
from node.dicom.part10 import read_part10
from node.names import NodeId
from node.node import Node
from node.people.accounts import OPERATOR
from node.people.sessions import issue_bearer
from ops.founding import Place, found_on_this_machine
from ops.free_ports import free_ports
from ops.running import start_node
from tests.bench._servers import program, running
from tests.bench._studies import Small
from tests.kit.holding import hold
from tests.kit.registering import facts, receive
from tests.kit.site import open_site

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
BATCH = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where a server's DICOMweb begins."""

    host: str
    port: int
    root: str
    token: str = ""

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=600)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@contextmanager
def meridian(folder: Path, studies: Sequence[Small]) -> Iterator[Served]:
    """Run a node as production does, holding small studies that were registered before it began."""
    place = Place(id="alpha", name="Alpha", role=CENTRE, listens=True, reserve_mb=1024, quiet_s=3600.0)
    node = found_on_this_machine(folder, (place,))[NodeId("alpha")]
    for start in range(0, len(studies), BATCH):
        receive(node, *(one.data_set() for one in studies[start : start + BATCH]), given=facts(node))
    token = issue_bearer(node, OPERATOR, principal="exchange/bench")
    node.close()
    process = start_node(folder / "alpha")
    try:
        process.wait_until_ready()
        host, _, port = process.web.partition("://")[2].rpartition(":")
        yield Served(host=host, port=int(port), root="/dicomweb", token=token)
    finally:
        process.stop()


@contextmanager
def orthanc(folder: Path, studies: Sequence[Small]) -> Iterator[Served]:
    """Run Orthanc with its DICOMweb plug-in under their own defaults, and give it small studies by its REST."""
    (port,) = free_ports(1)
    (folder / "storage").mkdir(parents=True)
    said = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "DicomServerEnabled": False,
        "HttpPort": port,
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGIN)],
    }
    (folder / "orthanc.json").write_text(json.dumps(said))
    command = [program("Orthanc"), str(folder / "orthanc.json")]
    with running(command, port, folder, os.environ):
        served = Served(host="127.0.0.1", port=port, root="/dicom-web")
        connection = served.connect()
        for study in studies:
            connection.request("POST", "/instances", study.file())
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
        yield served


@contextmanager
def bare(folder: Path, files: Sequence[bytes]) -> Iterator[tuple[Served, Served]]:
    """Run this node's web and a bare aiohttp handler with `pread` in one process, over the same pack."""
    command = [sys.executable, "-m", "tests.bench._web_servers", str(folder)]
    (folder / "files").mkdir(parents=True)
    for number, file in enumerate(files, start=1):
        (folder / "files" / f"{number:04d}.dcm").write_bytes(file)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ours, other, token = process.stdout.readline().split()
        try:
            yield (
                Served(host="127.0.0.1", port=int(ours), root="/dicomweb", token=token),
                Served(host="127.0.0.1", port=int(other), root="/bare"),
            )
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _serve_both(folder: Path) -> None:
    from tests.kit.stow import impatient_node

    keep_freed()  # as a node's own process does
    node = impatient_node(folder, "beside")
    files = [read_part10(path.read_bytes()) for path in sorted((folder / "files").iterdir())]
    hold(node, [bytes(file.data_set) for file in files])
    ready = threading.Event()
    ports: list[int] = []
    threading.Thread(target=lambda: asyncio.run(_serve_bare(node, ports, ready)), daemon=True).start()
    ready.wait()
    with open_site(node) as site:
        print(site.web.rpartition(":")[2], ports[0], site.program().bearer, flush=True)
        sys.stdin.read()


async def _serve_bare(node: Node, ports: list[int], ready: threading.Event) -> None:
    rows = node.database.read("SELECT sop_uid, pack, data_offset, data_bytes, rows, columns FROM instance")
    places = {}
    for row in rows:
        size = int(str(row["rows"])) * int(str(row["columns"])) * 2
        end = int(str(row["data_offset"])) + int(str(row["data_bytes"]))
        places[str(row["sop_uid"])] = (node.packs.path(str(row["pack"])), end - size, size)
    opened: dict[Path, int] = {}

    async def frame(request: web.Request) -> web.Response:
        path, offset, size = places[request.match_info["sop_uid"]]
        descriptor = opened.get(path) or opened.setdefault(path, os.open(path, os.O_RDONLY))
        return web.Response(body=os.pread(descriptor, size, offset), content_type="application/octet-stream")

    application = web.Application()
    application.router.add_get("/bare/{rest:.*}/instances/{sop_uid}/frames/1", frame)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ports.append(runner.addresses[0][1])
    ready.set()
    await asyncio.Event().wait()


if __name__ == "__main__":
    _serve_both(Path(sys.argv[1]))
