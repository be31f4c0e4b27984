"""A compressed instance goes native to another AE in memory that its frames would not fit into."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from node.clock import SystemClock
from tests.kit.bare_node import bare_node
from tests.kit.compressed import SYNTAXES, with_frames
from tests.kit.holding import hold
from tests.kit.query_peers import storescp

SIDE, FRAMES = 2_000, 48
BYTES = FRAMES * SIDE * SIDE * 2
"""366 MiB."""
MOST_BYTES = 220 << 20
CHILD = """
import resource, sys
from pathlib import Path
from node.catalogue.search import instances_of
from node.clock import SystemClock
from node.dimse.calling import Called
from node.dimse.store_scu import store
from node.dimse.outgoing import outgoing_of
from node.names import StudyKey
from node.store.regions import Made
from tests.kit.bare_node import bare_node
from tests.kit.query_peers import HOST
state, port, planted = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
node = bare_node(state, "alpha", SystemClock())
(row,) = instances_of(node.database, StudyKey(origin=node.id, study_uid="2.25.1"))
if planted:
    kept, give = [], Made.give
    Made.give = lambda piece: kept.append(give(piece)) or kept[-1]
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[4]), int(sys.argv[4])))
whom = Called(name="PACS", aet="PACS", host=HOST, port=port, calling="ALPHA")
store(whom, [outgoing_of(node, row)], directory=state, told=lambda sent: print(sent.status, sent.bytes, sent.words) or True)
"""


def send(folder: Path, port: int, planted: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(folder), str(port), planted, str(MOST_BYTES)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


@pytest.mark.peer
def test_frames_go_one_by_one_and_planted_keeping_of_them_is_caught(tmp_path: Path) -> None:
    stream = bytes(imagecodecs.jpegls_encode(np.zeros((SIDE, SIDE), "<u2")))
    node = bare_node(tmp_path, "alpha", SystemClock())
    hold(
        node,
        [with_frames(*[stream] * FRAMES, rows=SIDE, columns=SIDE)],
        transfer_syntax=SYNTAXES["jpeg-ls"],
    )
    node.close()
    with storescp(tmp_path / "there", "--ignore", "+xi") as port:
        sent = send(tmp_path, port, "")
        assert sent.stdout.startswith("0 "), (sent.stdout, sent.stderr)
        assert int(sent.stdout.split()[1]) > BYTES
        assert "MemoryError" in send(tmp_path, port, "planted").stderr
