"""SQLite's part of the promise: several processes on one file, kill -9, and the sync before the answer."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import pytest

from node.clock import SystemClock
from node.database.port import Done, Statement, integer, text
from node.database.sqlite import SqliteDatabase
from node.errors import Conflict, GridError

ROOT = Path(__file__).parents[2]
PUT = "INSERT INTO cursor (reader, position) VALUES (?, ?)"

OPEN = """
import sys
from pathlib import Path
from node.clock import SystemClock
from node.database.port import Statement
from node.database.sqlite import SqliteDatabase
from node.errors import Conflict
PUT = "INSERT INTO cursor (reader, position) VALUES (?, ?)"
MOVE = "UPDATE cursor SET position = position + 1 WHERE reader = 'shared' AND position = ?"
database = SqliteDatabase(Path(sys.argv[1]), SystemClock())
name = sys.argv[2]
"""
COUNT_TOGETHER = (
    OPEN
    + """
won = 0
while won < 100:
    seen = database.read("SELECT position FROM cursor WHERE reader = 'shared'")[0]["position"]
    try:
        database.write([Statement(MOVE, (seen,), expect=1)], f"{name}/{won}/{seen}")
        won += 1
    except Conflict:
        continue
database.close()
"""
)
WRITE_AND_TELL = (
    OPEN
    + """
n = 0
while True:
    database.write([Statement(PUT, (f"{name}/{n}", n)), Statement(PUT, (f"{name}/{n}/twin", n))], f"{name}/{n}")
    print(n, flush=True)
    n += 1
"""
)
WRITE_TEN = (
    OPEN
    + """
print("ready", flush=True)
for n in range(10):
    database.write([Statement(PUT, (f"{name}/{n}", n))], f"{name}/{n}")
    print(n, flush=True)
"""
)
WRITE_WITHOUT_PAUSE = (
    OPEN
    + """
print("ready", flush=True)
sys.stdin.readline()
for n in range(500):
    database.write([Statement(PUT, (f"{name}/{n}", n))], f"{name}/{n}")
database.close()
"""
)


def start(
    script: str, path: Path, name: str, *, before: tuple[str, ...] = (), planted: str = ""
) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MERIDIAN_PLANTED": planted}
    return subprocess.Popen(
        [*before, sys.executable, "-c", script, str(path), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def test_fresh_file_is_opened_by_several_processes_at_once(tmp_path):
    processes = [start(WRITE_TEN, tmp_path / "meridian.db", f"p{n}") for n in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    database = SqliteDatabase(tmp_path / "meridian.db", SystemClock())
    assert integer(database.read("SELECT count(*) AS n FROM cursor")[0], "n") == 40
    database.close()


def test_two_processes_counting_together_lose_no_step(tmp_path):
    path = tmp_path / "meridian.db"
    database = SqliteDatabase(path, SystemClock())
    database.write([Statement(PUT, ("shared", 0))], "start")
    processes = [start(COUNT_TOGETHER, path, name) for name in ("one", "other")]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert database.read("SELECT position FROM cursor") == [{"position": 200}]
    database.close()


@pytest.mark.parametrize(("planted", "fair"), [("", True), ("no-turns", False)], ids=["sound", "planted"])
def test_two_processes_that_write_without_pause_write_by_turns(tmp_path, planted, fair):
    path = tmp_path / "meridian.db"
    processes = [start(WRITE_WITHOUT_PAUSE, path, name, planted=planted) for name in ("one", "other")]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(60) for process in processes] == [0, 0]
    database = SqliteDatabase(path, SystemClock())
    writers = [
        text(row, "key").split("/")[0] for row in database.read("SELECT key FROM write_key ORDER BY at")
    ]
    database.close()
    assert len(writers) == 1000
    *together, _ = [len(list(run)) for _, run in groupby(writers)]
    assert (max(together) <= 100) is fair, together


@pytest.mark.parametrize("cycle", range(3))
def test_kill_9_loses_no_acknowledged_write_and_leaves_no_half_batch(tmp_path, cycle):
    path = tmp_path / "meridian.db"
    process = start(WRITE_AND_TELL, path, "victim")
    assert process.stdout is not None
    told = [int(process.stdout.readline())]
    threading.Timer(0.3 + 0.1 * cycle, process.kill).start()
    told += [int(line) for line in process.stdout if line.endswith("\n")]
    process.wait(10)
    database = SqliteDatabase(path, SystemClock())
    rows = {text(row, "reader") for row in database.read("SELECT reader FROM cursor")}
    database.close()
    assert len(told) > 10
    assert {f"victim/{n}" for n in told} <= rows
    assert all((f"{row}/twin" in rows) for row in rows if not row.endswith("/twin"))


@pytest.mark.peer
@pytest.mark.parametrize(
    ("planted", "synced"), [("", True), ("no-database-sync", False)], ids=["sound", "planted"]
)
def test_each_answer_follows_a_sync_of_the_log(tmp_path, planted, synced):
    """kill -9 cannot find a missing sync; the order of system calls can."""
    trace = tmp_path / "trace"
    strace = ("strace", "-f", "-y", "-s", "64", "-e", "trace=fdatasync,fsync,write", "-o", str(trace))
    process = start(WRITE_TEN, tmp_path / "meridian.db", "traced", before=strace, planted=planted)
    assert process.wait(60) == 0
    assert every_answer_was_synced(trace.read_text()) is synced


def every_answer_was_synced(trace: str) -> bool:
    """Say whether between any two of the ten answers on standard output the log was synced."""
    calls = [
        "sync" if "sync(" in line else "answer"
        for line in trace.splitlines()
        if re.search(r"f(data)?sync\(\d+<[^>]*meridian\.db-wal>", line)
        or re.search(r'write\(1<[^>]*>, "\d', line)
    ]
    assert calls.count("answer") == 10
    after_ready = "".join(call[0] for call in calls).lstrip("s")
    return "aa" not in after_ready and calls[0] == "sync"


class Counting(SqliteDatabase):
    """Tells how many batches each commit held."""

    def __init__(self, path: Path) -> None:
        self.groups: list[int] = []
        super().__init__(path, SystemClock())

    def _commit(self, connection, group) -> None:
        self.groups.append(len(group))
        super()._commit(connection, group)


class Forgetful(Counting):
    """A planted fault: the failed batch is not rolled back to its savepoint."""

    def _apply(self, connection, batch) -> Done | GridError:
        for statement in batch.statements:
            changed = connection.execute(statement.sql, statement.params).rowcount
            if statement.expect is not None and changed != statement.expect:
                return Conflict("Writing was refused.")
        return Done()


@pytest.mark.parametrize(("adapter", "left"), [(Counting, 70), (Forgetful, 100)], ids=["sound", "planted"])
def test_of_100_batches_in_one_group_30_conflicting_exactly_70_remain(tmp_path, adapter, left):
    database = adapter(tmp_path / "meridian.db")
    blocker = sqlite3.connect(tmp_path / "meridian.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")

    def write(n: int) -> bool:
        never = [Statement("UPDATE cursor SET position = 1 WHERE reader = 'nobody'", expect=1)]
        try:
            database.write([Statement(PUT, (f"{n}", n)), *(never if n % 10 < 3 else [])], f"key-{n}")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(101) as pool:
        first = pool.submit(database.write, [], "first")
        wait_until(lambda: database.groups == [1])
        others = [pool.submit(write, n) for n in range(100)]
        wait_until(lambda: database._queue.qsize() == 100)
        blocker.execute("ROLLBACK")
        assert first.result() == Done()
        assert sum(other.result() for other in others) == 70
    assert database.groups == [1, 100]
    assert integer(database.read("SELECT count(*) AS n FROM cursor")[0], "n") == left
    database.close()
    blocker.close()


def wait_until(reached) -> None:
    deadline = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < deadline, "the state was not reached in 10 s"
        time.sleep(0.005)


def test_full_disk_is_unknown_and_the_same_batch_succeeds_later(tmp_path):
    database = SqliteDatabase(tmp_path / "meridian.db", SystemClock())
    pages = integer(database.read("PRAGMA page_count")[0], "page_count")

    class Tight(SqliteDatabase):
        limit = pages

        def _connect(self) -> sqlite3.Connection:
            connection = super()._connect()
            connection.execute(f"PRAGMA max_page_count = {self.limit}")
            self.connection = connection
            return connection

    database.close()
    tight = Tight(tmp_path / "meridian.db", SystemClock())
    big = [Statement("INSERT INTO text VALUES (?, 'test', ?, 0)", ("digest", "x" * 100_000))]
    with pytest.raises(GridError) as refused:
        tight.write(big, "k")
    assert refused.type.__name__ == "OutcomeUnknown"
    tight.connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
    assert tight.write(big, "k") == Done()
    tight.close()


def test_many_passing_threads_leave_no_connections_behind(tmp_path):
    database = SqliteDatabase(tmp_path / "meridian.db", SystemClock())
    for _ in range(50):
        thread = threading.Thread(target=database.read, args=("SELECT 1 AS one",))
        thread.start()
        thread.join()
    links = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert sum(str(tmp_path) in str(link.readlink()) for link in links) < 10
    database.close()
