"""How fast instances are received, and at what cost: this node, Orthanc and dcmtk's storescp, side by side.

The servers take turns, row by row and round by round, each anew on an empty folder of
the same disk and warmed by one instance; what was sent must be stored, or the bench fails.
A rate is from the first connection to the end of the last sender, over all instances. Ratios are
of medians, by unmodified ``storescu`` with ``TCP_NODELAY=1`` for everybody; row ``nagle`` is without it.
Rows ``memory_...`` come from a sender that has every message ready in memory. Ratios are by storescu
all the same, because it is not the ceiling: it is busy for less than half of the time even towards
storescp (``sender busy``), and the memory sender is no faster. Should that change, the table shows it.

CPU is of the process that answers, with all its children; ``with index`` adds the grid, until every
instance can be found. Memory is of the process that answers, with its children: the kernel's high-water
mark, and the most seen of PSS and of memory that is no file's. It counts while 1 GiB comes in one
instance (``big_1``) and while 64 associations hold half an instance each (``many_64``).
``INGEST=ct_1,small_1`` runs some rows, ``INGEST_ROUNDS=5`` more rounds.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench._apart import ROOT, is_apart, run_apart
from tests.bench._objects import KINDS, Studies, write_big, write_one, write_studies
from tests.bench._senders import Parts, Spent, all_at_once, from_memory, storescu, warm
from tests.bench._servers import (
    NAMES,
    ORTHANC,
    OURS,
    STORESCP,
    Listening,
    Meridian,
    Orthanc,
    Server,
    Storescp,
)
from tests.bench._usage import PeakMemory, cpu_s

ROUNDS = 3
SETTLE_S = 0.2


@dataclass(frozen=True, slots=True)
class Row:
    """Something to measure."""

    kind: str
    associations: int
    send: Callable[[Listening, Parts, Mapping[str, str]], Spent] = storescu
    nodelay: bool = True
    servers: tuple[str, ...] = NAMES


ROWS = {
    "ct_1": Row("ct", 1),
    "ct_4": Row("ct", 4),
    "mr_1": Row("mr", 1),
    "mr_4": Row("mr", 4),
    "small_1": Row("small", 1),
    "small_4": Row("small", 4),
    "dx_1": Row("dx", 1),
    "dx_4": Row("dx", 4),
    "nagle": Row("ct", 1, nodelay=False),
    "memory_ct_1": Row("ct", 1, from_memory),
    "memory_ct_4": Row("ct", 4, from_memory),
    "memory_small_1": Row("small", 1, from_memory),
    "big_1": Row("big", 1),
    "many_64": Row("ct", 64, all_at_once, servers=(OURS,)),
}
ONCE = ("big_1", "many_64")
"""Rows of one round: they are there for memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run of one server gave."""

    per_s: float
    mb_per_s: float
    cpu_ms: float
    indexed_ms: float
    sender_percent: float
    peak_mb: float
    pss_mb: float
    anonymous_mb: float


Runs = dict[tuple[str, str], list[Run]]
"""By row and server."""


def main() -> None:
    if not is_apart():
        run_apart("ingest")
        return
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))  # so that servers are ended
    wanted = [name for name in os.environ.get("INGEST", "").split(",") if name] or list(ROWS)
    if unknown := set(wanted) - set(ROWS):
        raise SystemExit(f"There is no row {', '.join(unknown)}; there are {', '.join(ROWS)}.")
    rounds = int(os.environ.get("INGEST_ROUNDS", ROUNDS))
    began = time.monotonic()
    # Below the checkout: the temporary folder of a machine may be memory, and all must write to the same disk.
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as folder:
        bench = Bench(Path(folder), {ROWS[name].kind for name in wanted})
        for name in wanted:
            for n in range(1 if name in ONCE else rounds):
                for server in ROWS[name].servers:
                    run = bench.run(ROWS[name], server)
                    bench.runs.setdefault((name, server), []).append(run)
                    _say(f"{name} round {n + 1}: {server:<10}{run.per_s:8.1f} /s {run.cpu_ms:8.2f} ms")
    _print_table(bench.runs)
    _say(f"took {(time.monotonic() - began) / 60:.1f} min")
    print(summary(bench.runs))


class Bench:
    """The folder, what is sent, and the servers."""

    def __init__(self, directory: Path, kinds: set[str]) -> None:
        _say("Writing what will be sent ...")
        self._directory = directory
        self._warming = write_one(directory / "warming.dcm")
        self._studies: dict[str, Studies] = {
            name: write_studies(directory / "sent" / name, kind)
            for name, kind in KINDS.items()
            if name in kinds
        }
        self._servers: dict[str, Server] = {
            OURS: Meridian(directory),
            ORTHANC: Orthanc(),
            STORESCP: Storescp(),
        }
        self.runs: Runs = {}

    def run(self, row: Row, name: str) -> Run:
        """Start a server, send it everything, see that it has it, and end it."""
        server, folder = self._servers[name], self._directory / "server"
        shutil.rmtree(folder, ignore_errors=True)
        parts = self._parts(row)
        count = sum(map(len, parts))
        environment = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
        if row.nodelay:
            environment["TCP_NODELAY"] = "1"
        os.sync()  # what others left to write is not for this one to wait for
        with server.run(folder, environment) as listening:
            warm(listening, self._warming, environment)
            server.caught_up(folder, 1)
            time.sleep(SETTLE_S)
            run = _measured(listening, server, folder, lambda: row.send(listening, parts, environment), parts)
        stored = server.stored(folder)
        assert stored == count + 1, f"{name} has {stored} of {count + 1} instances"
        self._clear(folder)
        return run

    def _parts(self, row: Row) -> Parts:
        if row.kind == "big":
            return [[write_big(self._directory / "big.dcm")]]
        studies = self._studies[row.kind]
        if row.associations > len(studies):
            files = [file for study in studies for file in study]
            most = len(files) // row.associations * row.associations
            return [files[n : most : row.associations][:2] for n in range(row.associations)]
        return [
            [file for study in studies[n :: row.associations] for file in study]
            for n in range(row.associations)
        ]

    def _clear(self, folder: Path) -> None:
        shutil.rmtree(folder)
        (self._directory / "big.dcm").unlink(missing_ok=True)


def _measured(
    listening: Listening, server: Server, folder: Path, send: Callable[[], Spent], parts: Parts
) -> Run:
    count = sum(map(len, parts))
    size_mb = sum(file.stat().st_size for part in parts for file in part) / 1e6
    beside = listening.beside
    before, before_beside = cpu_s(listening.receiving), sum(map(cpu_s, beside))
    with PeakMemory(listening.receiving) as peak:
        spent = send()
        time.sleep(SETTLE_S)
    cpu = cpu_s(listening.receiving) - before
    server.caught_up(folder, count + 1)
    return Run(
        per_s=count / spent.wall_s,
        mb_per_s=size_mb / spent.wall_s,
        cpu_ms=cpu / count * 1e3,
        indexed_ms=(cpu + sum(map(cpu_s, beside)) - before_beside) / count * 1e3,
        sender_percent=spent.sender_s / spent.wall_s / len(parts) * 100,
        peak_mb=peak.resident_mb,
        pss_mb=peak.proportional_mb,
        anonymous_mb=peak.anonymous_mb,
    )


def _print_table(runs: Runs) -> None:
    print(
        f"{'':<27}{'instances/s':>27}{'':8}{'CPU ms an instance':>30}{'with':>9}{'sender':>9}{'peak MB':>9}\n"
        f"{'':<27}{'min':>9}{'median':>9}{'max':>9}{'MB/s':>8}{'min':>12}{'median':>9}{'max':>9}"
        f"{'index':>9}{'busy %':>9}{'VmHWM':>9}{'PSS':>7}{'anon':>7}"
    )
    for (row, server), of in runs.items():
        rates, cpu = [run.per_s for run in of], [run.cpu_ms for run in of]
        print(
            f"{row:<16}{server:<11}{min(rates):9.1f}{_median(of, 'per_s'):9.1f}{max(rates):9.1f}"
            f"{_median(of, 'mb_per_s'):8.1f}{min(cpu):12.2f}{_median(of, 'cpu_ms'):9.2f}{max(cpu):9.2f}"
            f"{_median(of, 'indexed_ms'):9.2f}{_median(of, 'sender_percent'):9.0f}"
            f"{_most(of, 'peak_mb'):9.0f}{_most(of, 'pss_mb'):7.0f}{_most(of, 'anonymous_mb'):7.0f}"
        )


def summary(runs: Runs) -> str:
    """Give the last line; what was not run is ``nan``."""

    def ratio(row: str, *, to: str = ORTHANC, of: str = "per_s") -> float:
        ours, theirs = runs.get((row, OURS)), runs.get((row, to))
        return _median(ours, of) / _median(theirs, of) if ours and theirs else float("nan")

    ct = runs.get(("ct_1", OURS))
    peaks = [run.peak_mb for row in ONCE for run in runs.get((row, OURS), [])]
    ratios = " ".join(f"{row}_ratio={ratio(row):.2f}" for row in ("ct_1", "ct_4", "mr_1", "small_1", "dx_1"))
    return (
        f"ingest: {ratios} nagle_ratio={ratio('nagle'):.2f}"
        f" cpu_ms={_median(ct, 'cpu_ms') if ct else float('nan'):.2f} cpu_ratio={ratio('ct_1', of='cpu_ms'):.2f}"
        f" rss_mb={max(peaks, default=float('nan')):.0f} dcmtk_1_ratio={ratio('ct_1', to=STORESCP):.2f}"
    )


def _median(runs: list[Run], of: str) -> float:
    return float(statistics.median(getattr(run, of) for run in runs))


def _most(runs: list[Run], of: str) -> float:
    return float(max(getattr(run, of) for run in runs))


def _say(words: str) -> None:
    print(words, flush=True)
