"""Key stores opened and changed by several processes at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from node.keys.keyfile import NAME

OPEN = """
import sys
from pathlib import Path
from node.clock import SystemClock
from node.keys.store import KeyStore
from node.names import NodeId
sys.stdin.readline()
keys = KeyStore.open(Path(sys.argv[1]), NodeId("alpha"), SystemClock())
for _ in range(int(sys.argv[2])):
    keys.rotate_hpke()
print(keys.verify_key, keys.incarnation, sep="|")
"""


def at_once(folder: Path, *, processes: int, rotations: int) -> set[str]:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(folder), str(rotations)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for process in running:  # all are started; now let them go
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = {process.communicate(timeout=60)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0] * processes
    return said


def test_processes_that_start_at_once_for_the_first_time_have_the_same_keys(tmp_path: Path) -> None:
    assert len(at_once(tmp_path / "keys", processes=6, rotations=0)) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [NAME]


def test_rotations_by_several_processes_are_all_kept(tmp_path: Path) -> None:
    at_once(tmp_path / "keys", processes=4, rotations=5)
    assert len(json.loads((tmp_path / "keys" / NAME).read_bytes())["hpke"]) == 21


def test_a_process_killed_while_it_writes_leaves_whole_keys(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    at_once(folder, processes=1, rotations=0)
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN, str(folder), "100000"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    first = (folder / NAME).stat().st_ino
    while (folder / NAME).stat().st_ino == first:
        pass
    process.kill()
    process.communicate()
    assert len(at_once(folder, processes=2, rotations=0)) == 1
    assert [path.name for path in folder.iterdir()] == [NAME]
