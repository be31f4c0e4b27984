"""Each write-family call of an ingest fails once, by EIO, by ENOSPC and by SIGKILL: nothing is lost, half, or twice.

strace puts the fault into the first call of a kind, then into the second, until a run meets none; after each run all
is started again without it. A device must get an answer or a closed connection, never a hang, and by an error the
receiver, its association and the index go on. With MERIDIAN_LONG=1 every call of the index fails, packs roll, and
data sets go both ways, through memory and through a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.device import device_with
from tests.kit.injection import EIO, ENOSPC, KILL
from tests.kit.sweeping import Sweep, grid_run, received_template, receiver_run, sweep, torn_template
from tests.kit.swept import Nursery

LONG = bool(os.environ.get("MERIDIAN_LONG"))
FAULTS = pytest.mark.parametrize("fault", [EIO, ENOSPC, KILL], ids=["EIO", "ENOSPC", "SIGKILL"])
ERRORS = pytest.mark.parametrize("fault", [EIO, ENOSPC], ids=["EIO", "ENOSPC"])
AND_IN_A_FILE = (1, 1100, 2)
"""Rows of 512 pixels: the second data set is above 1 MiB."""
OPEN = ("openat",)
TRANSIENT = "Rejected('rejected: result 2, source 1, reason 1')"
"""Nobody is let in while the rules cannot be read, and nobody is called unknown."""
nightly = pytest.mark.long

pytestmark = [pytest.mark.peer, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "node"  # short, since a bell's path may have 107 characters


def shown(swept: Sweep) -> Sweep:
    print(swept)
    return swept


@FAULTS
def test_any_call_fails_while_a_receiver_takes_instances(nursery: Nursery, folder: Path, fault: str) -> None:
    template = torn_template(folder)
    run = receiver_run(nursery, template, lambda: device_with(1, 2), step="ready")
    swept = shown(sweep(template, run, fault=fault))
    assert (swept.bad, swept.missed) == ([], [])
    assert swept.hit["fdatasync"] >= 3
    assert swept.hit.total() >= 10


@FAULTS
def test_any_call_fails_while_a_receiver_recovers(nursery: Nursery, folder: Path, fault: str) -> None:
    template = torn_template(folder)
    run = receiver_run(nursery, template, lambda: device_with(1), step="born")
    swept = shown(sweep(template, run, fault=fault))
    assert (swept.bad, swept.missed) == ([], [])
    assert swept.hit["fsync"] >= 3
    assert swept.hit["ftruncate"] >= 1


def test_any_call_fails_and_nothing_can_be_cut_back_or_removed(nursery: Nursery, folder: Path) -> None:
    template = torn_template(folder)
    also = ("ftruncate:error=EIO", "unlink:error=EIO")
    run = receiver_run(nursery, template, lambda: device_with(1, 2), step="ready", also=also)
    calls = ("pwrite64", "pwritev", "pwritev2", "write", "fsync", "fdatasync")
    swept = shown(sweep(template, run, fault=EIO, calls=calls))
    assert (swept.bad, swept.missed) == ([], [])


@FAULTS
def test_any_call_fails_while_the_index_registers(nursery: Nursery, folder: Path, fault: str) -> None:
    template = received_template(folder, nursery, device_with(1, 2))
    run = grid_run(nursery, template, step="ready")
    swept = shown(sweep(template, run, fault=fault, **part(fault)))
    assert swept.bad == []
    assert swept.hit["fdatasync"] >= 3
    assert swept.hit["pwrite64"] >= 12


@FAULTS
def test_any_call_fails_while_the_index_closes(nursery: Nursery, folder: Path, fault: str) -> None:
    template = received_template(folder, nursery, device_with(1, 2))
    run = grid_run(nursery, template, step="registered")
    swept = shown(sweep(template, run, fault=fault, **part(fault)))
    assert swept.bad == []
    assert swept.hit.total() >= 10


@nightly
@FAULTS
def test_any_call_fails_while_packs_roll_and_data_sets_go_both_ways(
    nursery: Nursery, folder: Path, fault: str
) -> None:
    template = torn_template(folder)
    run = receiver_run(nursery, template, lambda: device_with(*AND_IN_A_FILE), step="ready", roll_bytes=2000)
    swept = shown(sweep(template, run, fault=fault))
    assert swept.bad == []
    assert swept.hit["fdatasync"] >= 6


@nightly
@ERRORS
def test_nothing_can_be_cut_back_while_packs_roll(nursery: Nursery, folder: Path, fault: str) -> None:
    template = torn_template(folder)
    also = (f"ftruncate:{fault}", f"unlink:{fault}")
    run = receiver_run(
        nursery, template, lambda: device_with(*AND_IN_A_FILE), step="ready", roll_bytes=2000, also=also
    )
    calls = ("pwrite64", "pwritev", "pwritev2", "write", "fsync", "fdatasync")
    assert shown(sweep(template, run, fault=fault, calls=calls)).bad == []


@nightly
@FAULTS
def test_any_call_fails_while_the_index_opens(nursery: Nursery, folder: Path, fault: str) -> None:
    template = received_template(folder, nursery, device_with(*AND_IN_A_FILE))
    assert shown(sweep(template, grid_run(nursery, template, step="born"), fault=fault)).bad == []


def test_a_database_that_opens_only_to_be_read_is_not_left_so(nursery: Nursery, folder: Path) -> None:
    template = received_template(folder, nursery, device_with(1, 2))
    run = grid_run(nursery, template, step="born")
    assert shown(sweep(template, run, fault=EIO, calls=OPEN)).bad == []


@nightly
@FAULTS
def test_any_file_fails_to_open(nursery: Nursery, folder: Path, fault: str) -> None:
    template = received_template(folder, nursery, device_with(1, 2))
    for step in ("born", "ready", "registered"):
        assert (
            shown(sweep(template, grid_run(nursery, template, step=step), fault=fault, calls=OPEN)).bad == []
        )
    for step in ("born", "ready"):
        run = receiver_run(nursery, template, lambda: device_with(1, 2), step=step)
        swept = shown(sweep(template, run, fault=fault, calls=OPEN))
        assert [what for what in swept.bad if TRANSIENT not in what] == []


def test_a_planted_append_after_a_failed_sync_is_caught(folder: Path) -> None:
    template = torn_template(folder)
    with Nursery(planted="append-after-failed-sync") as nursery:
        run = receiver_run(nursery, template, lambda: device_with(1, 2), step="ready")
        swept = sweep(template, run, fault=EIO, calls=["fdatasync"], until_bad=True)
    assert any("whose sync had failed" in what for what in swept.bad)


def test_a_planted_cursor_that_moves_before_its_rows_is_caught(nursery: Nursery, folder: Path) -> None:
    template = received_template(folder, nursery, device_with(1, 2))
    with Nursery(planted="cursor-early") as early:
        run = grid_run(early, template, step="ready")
        swept = sweep(template, run, fault=KILL, calls=["fdatasync"], until_bad=True)
    assert any("the index has 0 instances, the packs 2" in what for what in swept.bad)


def part(fault: str) -> dict[str, int]:
    """Give every third call to each fault, or every call to all of them by night."""
    return {} if LONG else {"stride": 3, "first": 1 + [EIO, ENOSPC, KILL].index(fault)}
