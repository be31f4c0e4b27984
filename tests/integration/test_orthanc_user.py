"""Orthanc as the remote AE: sent to, asked, and fetched from both ways."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.kit import orthanc_peer


@pytest.mark.peer
def test_a_study_goes_to_orthanc_and_comes_back_byte_for_byte(tmp_path: Path) -> None:
    ran = subprocess.run(
        orthanc_peer.command(tmp_path), check=False, capture_output=True, text=True, timeout=180
    )
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout.splitlines()[-1])
    assert said["sent"] == 6
    assert said["name"] == orthanc_peer.NAME
    assert said["got"] == ["done", 6, 0, ""]
    assert said["moved"] == ["done", 6, 0, ""]
    assert said["records"] == 12
    assert said["same"]
