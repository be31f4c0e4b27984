"""Jobs in real worker processes: once each, none lost on kill -9, none taken while its worker lives."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from node.bell import Bell
from node.clock import SystemClock, new_id
from node.database.port import integer
from node.database.sqlite import SqliteDatabase
from node.journal.jobs import enqueue
from node.names import Cause

ROOT = Path(__file__).parents[2]
WORKER = """
import sys, threading, time
from pathlib import Path
import dramatiq
from actors.jobs.broker import JobBroker
from actors.jobs.job_table import JobTable
from node.bell import Bell
from node.clock import SystemClock, new_id
from node.database.port import Statement
from node.database.sqlite import SqliteDatabase
from node.errors import Unavailable

state, name, mode, lease_s = Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
clock = SystemClock()
database = SqliteDatabase(state / "meridian.db", clock)
bell = Bell(state / "run")
broker = JobBroker(database, clock, bell, table=JobTable(database, clock, lease=int(lease_s * 1_000_000)))

def mark(what, key):
    row = Statement("INSERT INTO cursor (reader, position) VALUES (?, 0)", (f"{what}/{new_id(clock)}/{name}",))
    database.write([row], key)

def hang(where):
    print(where, flush=True)
    threading.Event().wait()

def effect(what):
    if mode == "hang-before":
        hang("before")
    mark(what, f"effect/{what}")
    if mode == "hang-after":
        hang("after")

def every_run(what):
    mark(what, new_id(clock))

def slow(what):
    print("slow", flush=True)
    time.sleep(2.5)
    mark(what, new_id(clock))

tried = []
def flaky(what):
    tried.append(what)
    if len(tried) < 2:
        raise Unavailable("Trying failed: not yet. It is tried again.")
    mark(what, new_id(clock))

if mode == "no-heartbeat":
    broker.heartbeat.hold = lambda job: None
for job in (effect, every_run, slow, flaky):
    dramatiq.Actor(job, broker=broker, actor_name=job.__name__, queue_name="default", priority=0, options={})
dramatiq.Worker(broker, worker_threads=2, worker_timeout=1000).start()
print("ready", flush=True)
threading.Event().wait()
"""


class Grid:
    """One state folder, and the worker processes on it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.clock = SystemClock()
        self.database = SqliteDatabase(state / "meridian.db", self.clock)
        self.bell = Bell(state / "run")
        self.workers: list[subprocess.Popen[str]] = []

    def worker(self, name: str, mode: str = "", lease_s: float = 30) -> subprocess.Popen[str]:
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(self.state), name, mode, str(lease_s)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.workers.append(worker)
        assert said(worker) == "ready"
        return worker

    def ask(self, job: str, *whats: str, ring: bool = True) -> None:
        now = self.clock.now()
        rows = [
            enqueue(job, {"what": what}, key=f"{job}/{what}", cause=Cause("c"), now=now) for what in whats
        ]
        self.database.write(rows, new_id(self.clock))
        if ring:
            self.bell.ring()

    def effects(self) -> list[str]:
        return [str(row["reader"]) for row in self.database.read("SELECT reader FROM cursor ORDER BY reader")]

    def unfinished(self) -> int:
        return integer(self.database.read("SELECT count(*) AS n FROM job WHERE state <> 'done'")[0], "n")

    def wait_until_done(self, seconds: float = 20) -> float:
        began = time.monotonic()
        while self.unfinished():
            assert time.monotonic() < began + seconds, self.database.read(
                "SELECT * FROM job WHERE state <> 'done'"
            )
            time.sleep(0.01)
        return time.monotonic() - began

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait(10)
        self.bell.close()
        self.database.close()


@pytest.fixture
def grid(tmp_path):
    grid = Grid(tmp_path)
    yield grid
    grid.close()


def said(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_kill_9_mid_job_loses_nothing_and_the_effect_is_once(grid, moment):
    victim = grid.worker("victim", f"hang-{moment}", lease_s=1)
    grid.ask("effect", "report")
    assert said(victim) == moment
    victim.kill()
    grid.worker("survivor")
    grid.wait_until_done()
    (effect,) = grid.effects()
    assert effect.endswith("victim" if moment == "after" else "survivor")


def test_two_workers_run_each_of_200_jobs_exactly_once(grid):
    for name in ("one", "other"):
        grid.worker(name)
    grid.ask("every_run", *(f"{n:03}" for n in range(200)))
    grid.wait_until_done(60)
    runs = [effect.split("/")[0] for effect in grid.effects()]
    assert runs == [f"{n:03}" for n in range(200)]
    assert {effect.rsplit("/", 1)[1] for effect in grid.effects()} == {"one", "other"}


@pytest.mark.parametrize(("mode", "stolen"), [("", False), ("no-heartbeat", True)], ids=["sound", "planted"])
def test_job_longer_than_its_lease_is_left_to_the_worker_that_lives(grid, mode, stolen):
    one = grid.worker("one", mode, lease_s=0.6)
    grid.ask("slow", "long")
    assert said(one) == "slow"
    grid.worker("other", mode, lease_s=30)
    grid.wait_until_done()
    ran = {effect.rsplit("/", 1)[1] for effect in grid.effects()}
    assert ("other" in ran) is stolen


def test_job_that_failed_is_tried_again_after_its_back_off(grid):
    grid.worker("one")
    grid.ask("flaky", "twice")
    grid.wait_until_done()
    assert grid.database.read("SELECT attempts, last_error FROM job") == [
        {"attempts": 2, "last_error": "Trying failed: not yet. It is tried again."}
    ]


def test_bell_wakes_an_idle_worker_and_a_lost_bell_only_delays_it(grid):
    grid.worker("one")
    time.sleep(0.5)
    grid.ask("every_run", "rung")
    assert grid.wait_until_done() < 1
    grid.ask("every_run", "unrung", ring=False)
    assert grid.wait_until_done() < 5


def test_idle_worker_sleeps(grid):
    worker = grid.worker("idle")
    time.sleep(1)
    before = woken(worker.pid)
    time.sleep(4)
    assert woken(worker.pid) - before < 4 * 20, "times that its threads woke, however fast the machine is"


def woken(pid: int) -> int:
    """Count how often threads of a process have gone to sleep, and were woken again."""
    statuses = Path(f"/proc/{pid}/task").glob("*/status")
    lines = [line for status in statuses for line in status.read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
