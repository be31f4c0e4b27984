"""A worker that is killed while it sends: the next one goes on, and what was answered for is not sent again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from node.clock import SystemClock
from node.database.port import Statement
from node.dimse.remote_form import RemoteForm
from node.dimse.remotes import add_remote
from node.names import StudyKey, StudyUID
from node.node import Node
from node.people.accounts import OPERATOR
from node.transfers.sending import send_study
from node.transfers.transfers import Transfer, ask_send, get_transfer
from tests.kit.bare_node import bare_node
from tests.kit.query_peers import HOST, slices
from tests.kit.registering import facts, receive
from tests.kit.strange_provider import provider

STUDY = "2.25.7"
CHILD = """
import sys
from pathlib import Path
from node.clock import SystemClock
from node.transfers.sending import send_study
from tests.kit.bare_node import bare_node
send_study(bare_node(Path(sys.argv[1]), "alpha", SystemClock()), sys.argv[2])
"""


class Taking:
    """A storage SCP that counts what it takes, and is slow."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self.taken: list[str] = []
        self._pause_s = pause_s

    def __call__(self, event: Any) -> int:
        time.sleep(self._pause_s)
        self.taken.append(str(event.request.AffectedSOPInstanceUID))
        return 0


def asked(tmp_path: Path, port: int, count: int) -> tuple[Node, Transfer]:
    node = bare_node(tmp_path, "alpha", SystemClock())
    receive(node, *slices(count, series=2).values(), given=facts(node, study_uid=STUDY))
    form = RemoteForm(name="PACS", aet="QRSCP", host=HOST, port=port, send=True)
    remote = add_remote(node, OPERATOR, form)
    return node, ask_send(node, OPERATOR, StudyKey(origin=node.id, study_uid=StudyUID(STUDY)), remote.id)


def child(tmp_path: Path, one: Transfer, *, failpoints: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "MERIDIAN_FAILPOINTS": failpoints}
    return subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), one.id], env=environment)


def killed_midway(tmp_path: Path, taking: Taking, port: int) -> tuple[Node, Transfer]:
    """Kill a worker when some of its instances were answered and written down."""
    node, one = asked(tmp_path, port, 30)
    process = child(tmp_path, one)
    until = time.monotonic() + 30
    while get_transfer(node.database, one.id).done < 5:
        assert time.monotonic() < until
        time.sleep(0.02)
    process.kill()
    process.wait()
    time.sleep(0.5)  # the peer finishes what it had begun to take
    # As a lease that lapsed: whoever wrote last has been silent for a while.
    node.database.write([Statement("UPDATE transfer SET seen_at = 0")], node.new_id())
    return node, one


def test_the_next_worker_goes_on_where_the_killed_one_was(tmp_path: Path) -> None:
    taking = Taking(pause_s=0.1)
    with provider(store=taking) as port:
        node, one = killed_midway(tmp_path, taking, port)
        before = len(taking.taken)
        known = get_transfer(node.database, one.id).done
        assert 5 <= known <= before < 30
        send_study(node, one.id)
    ended = get_transfer(node.database, one.id)
    assert (ended.state, ended.done, ended.failed, ended.attempts) == ("done", 30, 0, 2)
    assert len(set(taking.taken)) == 30
    assert len(taking.taken) - 30 <= before - known  # what a second of work was not written down
    assert before - known <= 15


def test_a_planted_memory_that_is_lost_sends_all_again(tmp_path: Path) -> None:
    taking = Taking(pause_s=0.1)
    with provider(store=taking) as port:
        node, one = killed_midway(tmp_path, taking, port)
        before = len(taking.taken)
        node.database.write([Statement("DELETE FROM transferred")], node.new_id())
        send_study(node, one.id)
    assert len(taking.taken) == before + 30


def test_one_that_ends_before_it_wrote_its_end_is_found_done(tmp_path: Path) -> None:
    taking = Taking()
    with provider(store=taking) as port:
        node, one = asked(tmp_path, port, 6)
        process = child(tmp_path, one, failpoints="transferred")
        assert process.wait(60) < 0
        assert get_transfer(node.database, one.id).state == "running"
        node.database.write([Statement("UPDATE transfer SET seen_at = 0")], node.new_id())
        send_study(node, one.id)
    assert get_transfer(node.database, one.id).state == "done"
    assert len(taking.taken) == 6
