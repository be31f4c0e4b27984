"""The bench of receiving measures what it says, and notices an instance that was not stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench._objects import KINDS, STUDIES, write_studies
from tests.bench._servers import OURS, Meridian
from tests.bench.ingest import ROWS, Bench, Run, summary
from tests.kit.http import wait_for
from tests.kit.rows import change_rows

PER_STUDY = 10
pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, "small", replace(KINDS["small"], per_study=PER_STUDY))
        yield Bench(tmp_path_factory.mktemp("bench"), {"small"})


def test_what_is_sent_is_stored_and_measured(bench: Bench) -> None:
    run = bench.run(ROWS["small_4"], OURS)
    assert run.per_s > 0
    assert run.indexed_ms > 0
    assert run.indexed_ms >= run.cpu_ms
    assert run.peak_mb >= run.anonymous_mb > 1


def test_an_instance_that_is_gone_fails_the_bench(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Meridian.stored

    def after_a_loss(self: Meridian, folder: Path) -> int:
        if honest(self, folder) == STUDIES * PER_STUDY + 1:
            change_rows(
                folder, "DELETE FROM online_instance WHERE sop_uid = (SELECT MIN(sop_uid) FROM instance)"
            )
        return honest(self, folder)

    def caught_up(self: Meridian, folder: Path, count: int) -> None:
        wait_for("all to be registered", lambda: honest(self, folder) >= count)

    monkeypatch.setattr(Meridian, "stored", after_a_loss)
    monkeypatch.setattr(Meridian, "caught_up", caught_up)
    with pytest.raises(AssertionError, match=f"has {STUDIES * PER_STUDY} of {STUDIES * PER_STUDY + 1}"):
        bench.run(replace(ROWS["small_1"], send=ROWS["memory_small_1"].send), OURS)


def test_associations_share_the_files_and_leave_none(bench: Bench) -> None:
    parts = bench._parts(ROWS["small_4"])
    files = [file for part in parts for file in part]
    assert len(parts) == 4
    assert len(set(files)) == len(files) == STUDIES * PER_STUDY


def test_no_two_instances_are_alike(tmp_path: Path) -> None:
    studies = write_studies(tmp_path, replace(KINDS["small"], per_study=PER_STUDY))
    contents = {file.read_bytes()[-68 * 68 * 2 :] for study in studies for file in study}
    assert len(contents) == STUDIES * PER_STUDY


def test_ratios_are_of_medians() -> None:
    def runs(*rates: float) -> list[Run]:
        one = Run(
            per_s=0.0,
            mb_per_s=0.0,
            cpu_ms=2.0,
            indexed_ms=3.0,
            sender_percent=0.0,
            peak_mb=70.0,
            pss_mb=0.0,
            anonymous_mb=0.0,
        )
        return [replace(one, per_s=rate) for rate in rates]

    line = summary(
        {
            ("ct_1", "meridian"): runs(900.0, 300.0, 200.0),
            ("ct_1", "orthanc"): runs(100.0, 150.0, 10.0),
            ("many_64", "meridian"): runs(5.0),
        }
    )
    assert line.startswith("ingest: ct_1_ratio=3.00 ct_4_ratio=nan")
    assert line.endswith("cpu_ms=2.00 cpu_ratio=1.00 rss_mb=70 dcmtk_1_ratio=nan")
