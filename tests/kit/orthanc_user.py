"""Orthanc as the one that asks, in a network of its own, since it listens on every address.

``python -m tests.kit.orthanc_user FOLDER``: Orthanc echoes, queries, moves a study to itself and sends it back;
prints what came of it as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from node.node import Node
from ops.free_ports import free_ports
from tests.kit.http import wait_for
from tests.kit.shelf import SLICES, add_destination, shelf

HOST = "127.0.0.1"
STUDY = "2.25.2"
"""With a Chinese name; see `shelf`."""


def main(folder: Path) -> int:
    http, dicom = free_ports(2)
    with shelf(folder) as (node, receiver):
        add_destination(node, "ORTHANC", dicom)
        storage = folder / "storage"
        storage.mkdir()
        said = {
            "StorageDirectory": str(storage),
            "IndexDirectory": str(storage),
            "DicomPort": dicom,
            "DicomAet": "ORTHANC",
            "HttpPort": http,
            "RemoteAccessAllowed": False,
            "DefaultEncoding": "Utf8",
            "DicomModalities": {
                "alpha": ["ALPHA", HOST, receiver.port],
                "beta": ["BETA", HOST, receiver.port],
            },
        }
        (folder / "orthanc.json").write_text(json.dumps(said))
        with (folder / "lines").open("wb") as lines:
            process = subprocess.Popen(
                ["/usr/sbin/Orthanc", str(folder / "orthanc.json")], stdout=lines, stderr=lines
            )
        try:
            rest = Rest(http)
            wait_for("Orthanc answers", lambda: rest.get("/system"))
            print(json.dumps(walk(rest, node)))
        finally:
            process.terminate()
            process.wait(30)
    return 0


class Rest:
    """Orthanc's own interface."""

    def __init__(self, port: int) -> None:
        self._root = f"http://{HOST}:{port}"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self._root + path, timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, body: object) -> Any:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, data=content, method="POST")
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)


def walk(rest: Rest, node: Node) -> dict[str, object]:
    """Let it do all that it can; give what it says."""
    rest.post("/modalities/alpha/echo", {})
    found = _queried(
        rest, "alpha", "Study", {"PatientID": "A-18", "PatientName": "", "ModalitiesInStudy": ""}
    )
    series = _queried(rest, "alpha", "Series", {"StudyInstanceUID": STUDY, "Modality": ""})
    instances = _queried(
        rest, "alpha", "Instance", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": f"{STUDY}.1"}
    )
    others = _queried(rest, "beta", "Study", {"PatientID": "A-17"})
    query = rest.post("/modalities/alpha/query", {"Level": "Study", "Query": {"StudyInstanceUID": STUDY}})[
        "ID"
    ]
    rest.post(f"/queries/{query}/retrieve", "ORTHANC")
    held = rest.get("/instances")
    (study,) = rest.get("/studies")
    name = rest.get(f"/studies/{study}")["PatientMainDicomTags"]["PatientName"]
    before = len(node.packs.names())
    sent = rest.post("/modalities/alpha/store", [study])
    return {
        "name": found[0]["0010,0010"]["Value"],
        "modalities": found[0]["0008,0061"]["Value"],
        "series": len(series),
        "instances": len(instances),
        "others": [one["0020,000d"]["Value"] for one in others],
        "moved": len(held),
        "moved_name": name,
        "sent_back": sent["InstancesCount"],
        "failed": sent["FailedInstancesCount"],
        "packs": len(node.packs.names()) - before,
        "expected": SLICES,
    }


def _queried(rest: Rest, modality: str, level: str, keys: dict[str, str]) -> list[dict[str, Any]]:
    query = rest.post(f"/modalities/{modality}/query", {"Level": level, "Query": keys})["ID"]
    found: list[dict[str, Any]] = rest.get(f"/queries/{query}/answers?expand")
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
