"""A rebuild ended at each step, by kill -9 and by power cuts: the old database is what it was, and the next one completes.

20 power cuts; 500 with ``MERIDIAN_LONG=1``. They need root, loop devices and mkfs.ext4, and fail without
them. In half of them the power goes at a step, in the others at any moment.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.clock import SECOND, SystemClock
from tests.kit import forked
from tests.kit.lost_index import TickingClock, begin, export_of, live, lose_database, opened, wrong_in
from tests.kit.power import Machine, NoPower, machine

ROOT = Path(__file__).parents[2]
LONG = bool(os.environ.get("MERIDIAN_LONG"))
CYCLES = 500 if LONG else 20
CYCLES_A_MACHINE = 10
STEPS = (
    "rebuild-content", "rebuild-journal", "rebuild-records", "rebuild-packages", "rebuild-states", "rebuild-corrections",
    "rebuild-cases", "rebuild-marks", "rebuild-written", "rebuild-kept", "rebuild-named",
)  # fmt: skip


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clock = TickingClock(SystemClock().now() - 3600 * SECOND)
    state = begin(tmp_path_factory.mktemp("past"))
    node = opened(state, clock)
    live(node, clock)
    node.close()
    return state


@pytest.fixture
def state(past: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(past, tmp_path / "alpha", symlinks=True))


def rebuild(state: Path, failpoint: str = "") -> int:
    """Let a process rebuild; give how it ended."""
    return forked.run("lost_index", state, failpoint=failpoint)


def shown(state: Path) -> list[str]:
    """Give the export of a node that is opened as it lies, without what rebuilds told of themselves."""
    return [
        line for line in export_of(state, TickingClock(SystemClock().now())) if "index-rebuilt" not in line
    ]


def test_each_step_has_its_failpoint() -> None:
    named = {
        name
        for path in (ROOT / "ops/rebuild/rebuilding.py", ROOT / "node/database/replacing.py")
        for name in re.findall(r'failpoint\("([a-z-]+)"\)', path.read_text())
    }
    assert named == set(STEPS)


@pytest.mark.parametrize("failpoint", STEPS)
def test_kill_9_at_each_step_leaves_the_old_database_and_the_next_one_completes(
    state: Path, failpoint: str
) -> None:
    before, raw = shown(state), (state / "meridian.db").read_bytes()
    assert rebuild(state, failpoint) == -signal.SIGKILL
    if failpoint != "rebuild-named":
        assert (state / "meridian.db").read_bytes() == raw
    assert shown(state) == before
    assert rebuild(state) == 0
    assert shown(state) == before
    assert wrong_in(state, TickingClock(SystemClock().now())) == []
    assert list(state.glob("meridian.db.rebuilding*")) == []
    kept = [path for path in state.glob("meridian.db.*.old") if path.read_bytes() == raw]
    assert len(kept) == 1, "the old one is kept, once"


def test_a_planted_rebuild_in_the_old_one_s_place_is_caught(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERIDIAN_PLANTED", "rebuild-in-place")
    with pytest.raises((AssertionError, FileNotFoundError)):
        test_kill_9_at_each_step_leaves_the_old_database_and_the_next_one_completes(state, "rebuild-journal")


@pytest.mark.parametrize("failpoint", STEPS)
def test_a_lost_database_stays_lost_until_all_of_the_new_one_is_there(state: Path, failpoint: str) -> None:
    before = shown(state)
    lose_database(state)
    assert rebuild(state, failpoint) == -signal.SIGKILL
    assert (state / "meridian.db").exists() == (failpoint == "rebuild-named")
    assert rebuild(state) == 0
    assert shown(state) == before


def cut(one: Machine, chance: random.Random, *, lost: bool) -> None:
    """Let a rebuild begin, and take the power away at a step or at any moment."""
    if lost:
        lose_database(one.state)
        one.sync()
    failpoint = chance.choice(STEPS) if chance.random() < 0.5 else ""
    process = forked.begin("lost_index", one.state, failpoint=failpoint)
    if failpoint:
        process.wait()
    else:
        time.sleep(chance.uniform(0.0, 0.9))
    process.kill()
    one.lose_power(chance)
    one.come_back()


def cycles(folder: Path, past: Path, count: int) -> Iterator[tuple[Machine, bool]]:
    """Run cycles, a few on each machine, each on what the ones before left; in half of them the database is lost first."""
    chance = random.Random(17)
    try:
        for first in range(0, count, CYCLES_A_MACHINE):
            place = folder / f"m{first}"
            place.mkdir()
            with machine(place) as one:
                shutil.copytree(past, one.state, symlinks=True, dirs_exist_ok=True)
                one.sync()
                for _ in range(CYCLES_A_MACHINE):
                    lost = chance.random() < 0.5
                    cut(one, chance, lost=lost)
                    yield one, lost
    except NoPower as error:
        pytest.fail(str(error))


@pytest.mark.peer
@pytest.mark.timeout(7200 if LONG else 600)
def test_a_power_cut_amid_a_rebuild_leaves_a_whole_database_or_none(past: Path, tmp_path: Path) -> None:
    before, done = shown(past), 0
    for one, lost in cycles(tmp_path, past, CYCLES):
        if not lost or (one.state / "meridian.db").exists():
            assert shown(one.state) == before
        assert rebuild(one.state) == 0
        assert shown(one.state) == before
        one.sync()
        done += 1
    assert done == CYCLES
    print(f"{done} power cuts: at each instant the old database, the new one, or none where it was lost")
