"""Fear nobody: thousands of malformed instances through the whole intake, and not one does worse than a refusal.

Two thousand here, a hundred thousand under MERIDIAN_LONG. A case that is found is made again by its number:
``tests.kit.malformed.case(n, seed=...)``.
"""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from node.dicom.header import identify, scan
from node.dicom.part10 import read_part10
from node.errors import GridError
from tests.kit.instances import make_ct, part10
from tests.kit.intake import Intake, TooLong, deadline, resident_bytes
from tests.kit.malformed import PREAMBLES, Case, case, cases, part10_with_preamble
from tests.kit.spoiling import KINDS

LONG = bool(os.environ.get("MERIDIAN_LONG"))
CASES = 100_000 if LONG else 2000
ROUND = 500
WARM_ROUNDS = 2
GROWTH_BYTES = 48 << 20
"""What the process may have grown from the second round to the last; a deflate bomb comes and goes in 64 MiB."""
SEED = 20260302
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _volume(monkeypatch: pytest.MonkeyPatch) -> None:
    """Durability is tested elsewhere; this is volume."""
    monkeypatch.setattr(os, "fdatasync", lambda _descriptor: None)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


def test_a_case_is_made_again_from_its_number_alone() -> None:
    assert [case(n, seed=3) for n in (7, 8)] == list(cases(2, seed=3, first=7))
    assert case(7, seed=3) != case(7, seed=4)


def test_every_kind_takes_its_turn_and_most_of_each_is_really_spoiled() -> None:
    some = list(cases(len(KINDS) * 8, seed=SEED))
    assert len({one.name.split()[1] for one in some}) == len(KINDS)
    untouched = [one for one in some if one.name.endswith("untouched")]
    for one in untouched:
        identify(scan(one.data_set, one.transfer_syntax))


@pytest.mark.timeout(4 * 3600)
def test_no_malformed_instance_does_worse_than_a_refusal(tmp_path: Path) -> None:
    statuses: Counter[int] = Counter()
    explained: Counter[str] = Counter()
    findings: list[str] = []
    held: list[int] = []
    for first in range(0, CASES, ROUND):
        intake = Intake(tmp_path, f"n{first}")
        for one in cases(min(ROUND, CASES - first), seed=SEED, first=first):
            intake.take(one)
        intake.finish()
        statuses += intake.statuses
        explained += intake.explained
        findings += intake.findings
        intake.close()
        shutil.rmtree(tmp_path / f"n{first}")
        del intake
        gc.collect()
        held.append(resident_bytes())
    grown = held[-1] - held[min(WARM_ROUNDS, len(held)) - 1]
    print(f"{CASES} cases: {dict(statuses)}, {len(findings)} findings, grown by {grown >> 20} MiB")
    print(f"opened by pydicom alike, or explained: {dict(explained)}")
    assert findings == []
    assert statuses[0] > CASES // 5
    assert sum(explained.values()) == statuses[0] < 1.05 * explained[""]
    assert statuses[0xC000] > CASES // 5
    assert grown < GROWTH_BYTES


@pytest.mark.parametrize("calling", ["\xff" * 16, "放射科", "x'00'", "*", "A\\B", "CT1\r\nCT2", ""], ids=repr)
def test_whoever_calls_himself_whatever_is_taken_and_refused_as_others_are(
    tmp_path: Path, calling: str
) -> None:
    intake = Intake(tmp_path, calling=calling)
    assert intake.take(case(0)) == 0
    assert intake.take(case(1)) == 0xC000
    intake.finish()
    intake.close()
    assert intake.findings == []


@pytest.mark.parametrize("name", PREAMBLES)
def test_what_else_a_file_is_by_its_preamble_makes_no_difference_and_goes_no_further(name: str) -> None:
    data_set = make_ct()
    parts = read_part10(part10_with_preamble(part10(data_set), PREAMBLES[name]))
    assert bytes(parts.data_set) == data_set
    assert PREAMBLES[name] not in parts.file_meta + bytes(parts.data_set)


def test_a_file_that_is_something_else_is_no_dicom_file() -> None:
    for preamble in PREAMBLES.values():
        with pytest.raises(GridError, match="not a DICOM file"):
            read_part10(preamble.ljust(2000, b"\0"))


@pytest.mark.parametrize(
    ("fault", "kind", "finding"),
    [
        ("no-depth-cap", "nested", "RecursionError"),
        ("no-length-check", "lying-length", "it is not whole"),
        ("no-duplicate-check", "twice", "belong to no element"),
        ("no-inflate-cap", "deflated-badly", "it was inflated to"),
    ],
)
def test_a_planted_fault_in_the_scan_is_caught(tmp_path: Path, fault: str, kind: str, finding: str) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tests.kit.intake", str(tmp_path), "1", "80", kind],
        cwd=ROOT,
        env={**os.environ, "MERIDIAN_PLANTED": fault},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1, said.stderr
    assert finding in said.stdout


def test_an_instance_that_would_be_read_otherwise_is_found(tmp_path: Path) -> None:
    """The comparison itself: what lies in the packs is not what was accepted, and one is missing in the catalogue."""
    intake = Intake(tmp_path)
    intake.take(case(0))
    intake.accepted[0] = Case("other", *_of(intake.accepted[0])[:3], make_ct())
    with pytest.raises(KeyError):
        intake.finish()
    assert intake.findings == ["what lies in the packs is not what was accepted"]
    intake.close()


def test_a_case_that_takes_too_long_is_found() -> None:
    with pytest.raises(TooLong), deadline(0.05):
        sum(1 for _ in itertools.count())


def _of(one: Case) -> tuple[str, str, str, bytes]:
    return one.sop_class, one.sop_uid, one.transfer_syntax, one.data_set
