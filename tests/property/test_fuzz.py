"""Fuzzing for a set time: seconds here, MERIDIAN_FUZZ_SECONDS (half an hour by default) in the nightly sweep."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

LONG = bool(os.environ.get("MERIDIAN_LONG"))
TARGETS = ("scan", "readers", "part10", "request", "command")
SECONDS = int(os.environ.get("MERIDIAN_FUZZ_SECONDS", "1800" if LONG else "12"))
"""For all targets together."""
FOUND = 77
ROOT = Path(__file__).parents[2]


def fuzz(target: str, seconds: int, folder: Path, *, planted: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", target, str(seconds), str(folder)],
        cwd=ROOT,
        env={**os.environ, "MERIDIAN_PLANTED": planted},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_target_is_fuzzed() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "tests.fuzz"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert listed.stdout.split() == list(TARGETS)


@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.parametrize("target", TARGETS)
def test_fuzzing_finds_nothing(tmp_path: Path, target: str) -> None:
    said = fuzz(target, max(1, SECONDS // len(TARGETS)), tmp_path)
    (done,) = re.findall(r"Done (\d+) runs.*", said.stderr) or ["0"]
    print(f"{target}: {done} runs")
    assert said.returncode == 0, said.stderr[-4000:]
    assert int(done) > 100


@pytest.mark.parametrize(
    ("planted", "words"),
    [("no-length-check", "its elements end at"), ("no-duplicate-check", "belong to no element")],
)
def test_fuzzing_finds_a_planted_fault(tmp_path: Path, planted: str, words: str) -> None:
    said = fuzz("scan", 120, tmp_path, planted=planted)
    assert said.returncode == FOUND, said.stderr[-4000:]
    assert words in said.stderr + said.stdout
    assert list(tmp_path.glob("found-*"))
