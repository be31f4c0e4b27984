"""STOW-RS in constant memory: an instance far larger than what the server may hold."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.kit.instances import LITTLE, make_ct, part10
from tests.kit.serving import ServingProcess
from tests.kit.stow import BOUNDARY, body, described

LARGE_MB = 400
GROWN_MB = 60
CHUNK = bytes(1 << 20)


def high_water_mb(pid: int) -> float:
    (line,) = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")
    ]
    return int(line.split()[1]) / 1024


def post(server: ServingProcess, media: str, pieces: Iterator[bytes], length: int) -> int:
    address = urlsplit(server.visitor.web)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=120)
    headers = {
        "Authorization": f"Bearer {server.visitor.bearer}",
        "Content-Type": f'multipart/related; type="{media}"; boundary="{BOUNDARY}"',
        "Content-Length": str(length),
    }
    connection.request("POST", "/dicomweb/studies", pieces, headers, encode_chunked=False)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def around(before: bytes, after: bytes) -> tuple[Iterator[bytes], int]:
    """Give a body with so many zeros in its middle, and its length."""

    def pieces() -> Iterator[bytes]:
        yield before
        for _ in range(LARGE_MB):
            yield CHUNK
        yield after

    return pieces(), len(before) + len(after) + LARGE_MB * len(CHUNK)


def test_a_large_instance_and_large_bulk_data_pass_through(tmp_path: Path) -> None:
    plain = make_ct(change={0x7FE00010: None})
    head = LITTLE.element(0x7FE00010, "OW", b"", length=LARGE_MB << 20)
    file = body(("Content-Type: application/dicom", part10(plain + head)), end=False)
    end = f"\r\n--{BOUNDARY}--".encode()
    facts = {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
        **{tag: {"vr": "UI", "Value": ["2.25.8"]} for tag in ("00080018", "0020000D", "0020000E")},
        "7FE00010": {"vr": "OW", "BulkDataURI": "bulk"},
    }
    bulk = described([facts], ("Content-Type: application/octet-stream\r\nContent-Location: bulk", b""))
    with ServingProcess(tmp_path / "alpha") as server:
        before = high_water_mb(server.pid)
        assert post(server, "application/dicom", *around(file, end)) == 200
        assert high_water_mb(server.pid) - before < GROWN_MB
        assert post(server, "application/dicom+json", *around(bulk[: -len(end) - 2], end)) == 200
        # What lies in a file may be mapped, and counts while it is looked at; memory of its own does not grow.
        assert psutil.Process(server.pid).memory_full_info().uss / 1e6 - before < GROWN_MB
