"""Who asks this node, unmodified: Orthanc, and pynetdicom's applications. dcmtk's are in `test_query_retrieve`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.dimse.server import Receiver
from node.node import Node
from tests.kit.instances import make_ct, part10
from tests.kit.shelf import SLICES, add_destination, shelf
from tests.kit.storescp import storescp

pytestmark = pytest.mark.peer


def test_orthanc_echoes_queries_moves_and_sends_back(tmp_path: Path) -> None:
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    inside = [sys.executable, "-m", "tests.kit.orthanc_user", str(tmp_path)]
    command = ["unshare", *root, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *inside]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout.splitlines()[-1])
    assert said["name"] == said["moved_name"] == "Wang^Xiaoming=王^小明"
    assert (said["modalities"], said["series"], said["instances"]) == ("CT", 1, SLICES)
    assert said["others"] == ["2.25.9"]
    assert (said["moved"], said["sent_back"], said["failed"]) == (SLICES, SLICES, 0)


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[tuple[Node, Receiver]]:
    with shelf(tmp_path) as both:
        yield both


def pynetdicom(receiver: Receiver, app: str, *arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-m", "pynetdicom", app, "127.0.0.1", str(receiver.port), "-aec", "ALPHA"]
    ran = subprocess.run(
        [*command, *arguments], check=False, capture_output=True, text=True, timeout=60, cwd=cwd
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_pynetdicoms_applications_echo_find_get_move_and_store(
    shelved: tuple[Node, Receiver], tmp_path: Path
) -> None:
    node, receiver = shelved
    study = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.1")
    pynetdicom(receiver, "echoscu", cwd=tmp_path)
    words = pynetdicom(receiver, "findscu", "-S", *study, "-k", "PatientName=", "-v", cwd=tmp_path)
    assert "Zhang^San" in words
    out = tmp_path / "got"
    pynetdicom(receiver, "getscu", "-S", *study, "-od", str(out), cwd=tmp_path)
    assert len(list(out.iterdir())) == SLICES
    with storescp(tmp_path / "pacs") as pacs:
        add_destination(node, "PACS", pacs.port)
        pynetdicom(receiver, "movescu", "-S", *study, "-aem", "PACS", cwd=tmp_path)
        assert len(pacs.received()) == SLICES
    before = len(node.packs.names())
    file = tmp_path / "one.dcm"
    file.write_bytes(part10(make_ct(sop_uid="2.25.4.1.1", study_uid="2.25.4"), sop_uid="2.25.4.1.1"))
    pynetdicom(receiver, "storescu", str(file), cwd=tmp_path)
    assert len(node.packs.names()) == before + 1
