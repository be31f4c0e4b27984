"""A large instance goes, and comes, in memory that does not grow with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from node.clock import SystemClock
from tests.kit.bare_node import bare_node
from tests.kit.instances import make_ct
from tests.kit.query_peers import storescp
from tests.kit.registering import facts, receive

ROWS = COLUMNS = 12_000
BYTES = ROWS * COLUMNS * 2
"""275 MiB."""
MOST_BYTES = 220 << 20
CHILD = """
import resource, sys
from pathlib import Path
from node.catalogue.search import instances_of
from node.clock import SystemClock
from node.dimse.calling import Called
from node.dimse.outgoing import Outgoing
from node.dimse.store_scu import store
from node.names import StudyKey
from node.transfers.sending import outgoing_of
from tests.kit.bare_node import bare_node
from tests.kit.query_peers import HOST
state, port, planted = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
node = bare_node(state, "alpha", SystemClock())
(row,) = instances_of(node.database, StudyKey(origin=node.id, study_uid="2.25.1"))
one = outgoing_of(node, row)
if planted:
    whole = one.read
    one = Outgoing(sop_class=one.sop_class, sop_uid=one.sop_uid, transfer_syntax=one.transfer_syntax,
                   read=lambda: (b"".join(whole()),))
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[4]), int(sys.argv[4])))
whom = Called(name="PACS", aet="PACS", host=HOST, port=port, calling="ALPHA")
store(whom, [one], directory=state, charset="ISO_IR 192", told=lambda sent: print(sent.status, sent.bytes) or True)
"""


def send(folder: Path, port: int, planted: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(folder), str(port), planted, str(MOST_BYTES)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


@pytest.mark.peer
def test_an_instance_larger_than_its_memory_is_sent_and_a_planted_copy_is_caught(tmp_path: Path) -> None:
    node = bare_node(tmp_path, "alpha", SystemClock())
    receive(
        node,
        make_ct(
            rows=ROWS, columns=COLUMNS, pixels=bytes(BYTES), patient_name="张^三", charset="GB18030",
            python_charset="gb18030",
        ),
        given=facts(node),
    )  # fmt: skip
    node.close()
    with storescp(tmp_path / "there", "--ignore") as port:
        sent = send(tmp_path, port, "")
        assert sent.stdout.startswith("0 "), sent.stderr
        assert int(sent.stdout.split()[1]) > BYTES
        assert "MemoryError" in send(tmp_path, port, "planted").stderr
