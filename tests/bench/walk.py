"""How long a study takes from the clinic to the centre, and what a node costs: real processes, a 98-slice CT.

Times are from the last C-STORE answer: until the centre lists the study, and
until every image of it can be read there (each frame of the last slice fetched).
Idle CPU is of all processes of a node over a quiet while, memory their PSS after the walk.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from node.imaging.phantom import make_series
from tests.kit.running import RunningAlliance, running_alliance, storescu
from tests.kit.walk import walk

ROUNDS = 5
SLICES = 98
IDLE_S = 30.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        print("Starting a clinic and a centre ...", flush=True)
        with running_alliance(directory) as alliance:
            listed, readable, accepted = [], [], []
            for n in range(ROUNDS):
                files = _study(directory / f"study{n}", n)
                began = time.monotonic()
                storescu(alliance.nodes["alpha"], files)
                answered = time.monotonic()
                accepted.append(answered - began)
                at_list, at_read = _times_at_centre(alliance, files, answered)
                listed.append(at_list)
                readable.append(at_read)
                print(
                    f"round {n + 1} of {ROUNDS}: listed {at_list:.2f} s, readable {at_read:.2f} s", flush=True
                )
            walk(alliance, _study(directory / "walked", ROUNDS))
            memory = {name: _memory_mb(alliance, name) for name in alliance.nodes}
            time.sleep(5)
            idle = {name: _idle_percent(alliance, name) for name in alliance.nodes}
    rows = {"sent to last answer, s": accepted, "to listed, s": listed, "to all readable, s": readable}
    print(f"{'':<26}{'min':>8}{'median':>8}{'max':>8}")
    for title, values in rows.items():
        print(f"{title:<26}{min(values):8.2f}{statistics.median(values):8.2f}{max(values):8.2f}")
    for name, size_mb in memory.items():
        print(f"{name:<10} memory {size_mb:6.0f} MB   idle CPU {idle[name]:5.2f} % of a core")
    print(
        f"walk: listed_s={statistics.median(listed):.2f} readable_s={statistics.median(readable):.2f}"
        f" idle_cpu_percent={max(idle.values()):.2f} memory_mb={max(memory.values()):.0f}"
    )


def _study(directory: Path, seed: int) -> list[Path]:
    directory.mkdir()
    files = []
    for n, content in enumerate(make_series(SLICES, 512, seed=seed + 100), start=1):
        files.append(directory / f"{n:03d}.dcm")
        files[-1].write_bytes(content)
    return files


def _times_at_centre(alliance: RunningAlliance, files: list[Path], since: float) -> tuple[float, float]:
    from node.dicom.header import scan
    from node.dicom.part10 import read_part10

    reader = alliance.reader("centre")
    file = read_part10(files[-1].read_bytes())
    study_uid = scan(file.data_set, file.transfer_syntax).text(0x0020000D)
    listed = None
    while time.monotonic() - since < 60:
        found = reader.get(f"/dicomweb/from/alpha/studies?StudyInstanceUID={study_uid}&includefield=all")
        if found and listed is None:
            listed = time.monotonic() - since
        if found:
            series = reader.get(f"/dicomweb/from/alpha/studies/{study_uid}/series")
            counted = sum(int(one["00201209"]["Value"][0]) for one in series)
            if counted >= len(files):
                instances = reader.get(f"/dicomweb/from/alpha/studies/{study_uid}/instances")
                assert len(instances) == len(files)
                for one in instances:
                    reader.get(
                        f"/dicomweb/from/alpha/studies/{study_uid}/series/{one['0020000E']['Value'][0]}"
                        f"/instances/{one['00080018']['Value'][0]}/frames/1"
                    )
                return listed or 0.0, time.monotonic() - since
        time.sleep(0.02)
    raise AssertionError("the study did not arrive at the centre within a minute")


def _memory_mb(alliance: RunningAlliance, node: str) -> float:
    return sum(p.memory_full_info().pss for p in alliance.processes(node).values()) / 1e6


def _idle_percent(alliance: RunningAlliance, node: str) -> float:
    processes = alliance.processes(node).values()

    def spent() -> float:
        return sum(sum(p.cpu_times()[:2]) for p in processes)

    before = spent()
    time.sleep(IDLE_S)
    return (spent() - before) / IDLE_S * 100
