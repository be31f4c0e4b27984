"""A node that serves a study online, then out of its archive: how long frames take, and a recall."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from federation.statements import CENTRE
from node.archive.archived import is_archived
from node.archive.stores.credentials import keep_credentials
from node.database.port import integer
from node.names import NodeId
from node.node import Node
from node.people.accounts import OPERATOR
from node.people.sessions import issue_bearer
from ops.compose import compose_node
from ops.founding import Place, found_on_this_machine
from ops.running import start_node
from tests.bench._apart import ROOT
from tests.bench._client import Connection
from tests.bench._studies import slices
from tests.kit.http import wait_for
from tests.kit.seaweed import WRITER
from tests.kit.stow import BOUNDARY, files

FRAMES = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
_STORE = """
[[archive.store]]
name = "cloud"
kind = "s3"
endpoint = "{endpoint}"
bucket = "packages"
leaves = true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Seconds that frames took, one of each slice; the first of all by itself."""

    first_s: float
    each_s: list[float]

    @property
    def median_ms(self) -> float:
        return statistics.median(self.each_s) * 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What was measured of one node."""

    online: Frames
    archived: Frames
    recalled_mb_s: float


def serve(folder: Path, count: int, *, bucket: str = "") -> Served:
    """Measure a node whose archive is in its state folder, or encrypted in a bucket of this endpoint."""
    place = Place(id="alpha", name="Alpha", role=CENTRE, listens=True, reserve_mb=256, quiet_s=0.2)
    node = found_on_this_machine(folder, (place,))[NodeId("alpha")]
    token = issue_bearer(node, OPERATOR, principal="exchange/bench")
    node.close()
    state = folder / "alpha"
    if bucket:
        toml = state / "meridian.toml"
        toml.write_text(toml.read_text() + _STORE.format(endpoint=bucket))
        keep_credentials(state / "keys", "cloud", WRITER)
        _meridian("archive", "prepare", str(state))
    with _running(state) as client:
        ask = _Asking(client, token)
        study, contents = slices(count)
        ask.store(contents)
        node = compose_node(state)
        try:
            wait_for("the study to be complete", lambda: _state(node, study) == "complete", timeout_s=120)
            online = ask.frames(study, count)
            _meridian("archive", "make", str(state), study)
            _meridian("archive", "expire", str(state), study)
            assert _lies_in_archive(node, study)
            archived = ask.frames(study, count)
            assert _lies_in_archive(node, study), "frames were to be read where they lie"
            _meridian("archive", "recall", str(state), study)
            (row,) = node.database.read("SELECT bytes, began_at, ended_at FROM recall WHERE state = 'done'")
        finally:
            node.close()
    took = (integer(row, "ended_at") - integer(row, "began_at")) / 1e6
    return Served(online=online, archived=archived, recalled_mb_s=integer(row, "bytes") / 1e6 / took)


class _Asking:
    def __init__(self, client: Connection, token: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}

    def store(self, contents: list[bytes]) -> None:
        media = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'
        headers = {**self._headers, "Content-Type": media, "Accept": "application/dicom+json"}
        answer = self._client.ask(
            "POST", "/dicomweb/studies", headers=headers, body=files(*contents), keep=True
        )
        assert answer.status == 200, answer.body[:200]

    def frames(self, study: str, count: int) -> Frames:
        took = []
        for number in range(1, count + 1):
            path = f"/dicomweb/studies/{study}/series/{study}.1/instances/{study}.1.{number}/frames/1"
            answer = self._client.ask(
                "GET", path, headers={**self._headers, "Accept": FRAMES}, body=None, keep=True
            )
            assert answer.status == 200, answer.body[:200]
            took.append(answer.whole_s)
        return Frames(first_s=took[0], each_s=took[1:])


@contextmanager
def _running(state: Path) -> Iterator[Connection]:
    process = start_node(state)
    try:
        process.wait_until_ready()
        host, _, port = process.web.partition("://")[2].rpartition(":")
        yield Connection(host, int(port))
    finally:
        process.stop()


def _meridian(*words: str) -> None:
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "ops.cli", *words], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, (words, ran.stdout, ran.stderr)
    print(f"meridian {' '.join(words[:2])}: {time.monotonic() - began:.1f} s", flush=True)


def _state(node: Node, study: str) -> str:
    rows = node.database.read("SELECT state FROM study WHERE study_uid = ?", (study,))
    return str(rows[0]["state"]) if rows else ""


def _lies_in_archive(node: Node, study: str) -> bool:
    rows = node.database.read("SELECT pack FROM instance WHERE study_uid = ?", (study,))
    return bool(rows) and all(is_archived(str(row["pack"])) for row in rows)
