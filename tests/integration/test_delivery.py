"""From a signed report to the clinic's PACS: a real worker process, and dcmtk's storescp as the PACS."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest

from node.clock import SystemClock
from node.database.port import integer, text
from node.dimse.calling import called
from node.dimse.echo_scu import echo
from node.dimse.remote_form import RemoteForm
from node.dimse.remotes import add_remote
from node.errors import Refused, Unavailable
from node.journal.jobs import enqueue
from node.names import Cause
from node.reporting.delivery import get_delivery, retry_delivery
from tests.kit.bare_node import bare_node
from tests.kit.reports import FINDINGS, IMPRESSION, REPORT, put_signed_report

pytestmark = pytest.mark.peer
ROOT = Path(__file__).parents[2]
WORKER = """
import sys, threading
from pathlib import Path
from actors.jobs.worker import JobWorker
from node.clock import SystemClock
from tests.kit.bare_node import bare_node
worker = JobWorker(bare_node(Path(sys.argv[1]), "alpha", SystemClock()), lease=1_000_000)
worker.start()
print("ready", flush=True)
threading.Event().wait()
"""


@dataclass(frozen=True)
class Administrator:
    id: str = "person-1"


class Pacs:
    """dcmtk's storage SCP on a free port."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        assert shutil.which("storescp"), "install dcmtk"
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.process = subprocess.Popen(["storescp", "-aet", "PACS", "-od", folder, *options, str(port)])
        wait_until(lambda: listens(port))

    def received(self) -> list[Path]:
        return sorted(self.folder.iterdir())

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(10)


class Clinic:
    """A node with a signed report and one destination, and the worker processes that run its jobs."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.node = bare_node(folder, "alpha", SystemClock())
        form = RemoteForm(reports=True, name="本院PACS", aet="PACS", host="127.0.0.1", port=port)
        self.destination = add_remote(self.node, Administrator(), form)
        self.workers: list[subprocess.Popen[str]] = []
        put_signed_report(self.node)

    def ask(self) -> None:
        job = enqueue(
            "make_documents",
            {"report_id": REPORT.report_id},
            key=f"documents/{REPORT.report_id}",
            cause=Cause("cause-1"),
            now=self.node.now(),
        )
        self.node.write([job])

    def work(self, **environment: str) -> subprocess.Popen[str]:
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(self.folder)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )
        self.workers.append(worker)
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == "ready"
        return worker

    def delivery(self):
        rows = self.node.database.read("SELECT id FROM delivery")
        return get_delivery(self.node.database, text(rows[0], "id")) if rows else None

    def wait_for(self, state: str, seconds: float = 30):
        wait_until(lambda: (found := self.delivery()) is not None and found.state == state, seconds)
        return self.delivery()

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait(10)
        self.node.bell.close()
        self.node.database.close()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(reached, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"the state was not reached in {seconds} s"
        time.sleep(0.05)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def clinic(tmp_path, port):
    clinic = Clinic(tmp_path, port)
    yield clinic
    clinic.close()


@pytest.fixture
def start_pacs(tmp_path, port):
    started: list[Pacs] = []

    def start(*options: str) -> Pacs:
        started.append(Pacs(tmp_path / "pacs", port, *options))
        return started[-1]

    yield start
    for pacs in started:
        pacs.stop()


def test_pacs_receives_an_sr_that_carries_what_was_written(clinic, start_pacs):
    pacs = start_pacs()
    clinic.ask()
    clinic.work()
    delivered = clinic.wait_for("delivered")
    (file,) = pacs.received()
    raw = file.read_bytes()
    for line in (*FINDINGS.splitlines(), *IMPRESSION.splitlines(), "张^三", REPORT.signer_name):
        assert line.encode() in raw
    answer = subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False)
    assert not [line for line in answer.stderr.splitlines() if line.startswith("Error")]
    assert pydicom.dcmread(file).SOPInstanceUID == REPORT.sr_uid
    assert (delivered.attempts, delivered.last_error) == (1, "")


def test_pacs_that_is_down_is_shown_and_gets_the_report_when_it_is_back(clinic, start_pacs):
    clinic.ask()
    clinic.work()
    failing = clinic.wait_for("failing")
    assert "127.0.0.1" in failing.last_error
    pacs = start_pacs()
    delivered = clinic.wait_for("delivered")
    assert delivered.attempts >= 2
    assert len(pacs.received()) == 1


def test_pacs_that_refuses_is_shown_in_words_and_a_person_may_try_again(clinic, start_pacs):
    refusing = start_pacs("--refuse")
    clinic.ask()
    clinic.work()
    failing = clinic.wait_for("failing")
    # The peer hangs up right after its refusal; on a busy machine the hang-up may be seen first.
    assert any(word in failing.last_error.lower() for word in ("refus", "broke off"))
    refusing.stop()
    pacs = start_pacs()
    retry_delivery(clinic.node, failing.id, Administrator())
    clinic.wait_for("delivered")
    assert len(pacs.received()) == 1


def test_pacs_that_breaks_off_is_tried_again(clinic, start_pacs):
    start_pacs("--abort-after")
    clinic.ask()
    clinic.work()
    assert clinic.wait_for("failing").last_error


def test_kill_9_after_the_pacs_answered_sends_the_same_instance_again_and_nothing_twice(clinic, start_pacs):
    pacs = start_pacs("+uf")
    clinic.ask()
    victim = clinic.work(MERIDIAN_FAILPOINTS="pacs")
    assert victim.wait(30) == -9
    assert clinic.delivery().state == "waiting"
    clinic.work()
    clinic.wait_for("delivered")
    contents = [file.read_bytes() for file in pacs.received()]
    assert contents  # how often is a matter of when the lease lapsed; it is the same instance each time
    assert len(set(contents)) == 1
    reports = clinic.node.database.read("SELECT count(*) AS n FROM journal WHERE type = 'report-delivered/1'")
    assert integer(reports[0], "n") == 1


def echo_at(clinic):
    remote = clinic.destination
    echo(called(clinic.node.config, remote))


def test_echo_says_whether_the_destination_hears(clinic, start_pacs):
    with pytest.raises(Unavailable):
        echo_at(clinic)
    pacs = start_pacs()
    echo_at(clinic)
    pacs.stop()
    start_pacs("--refuse")
    # It hangs up right after its refusal; on a busy machine the hang-up may be seen first.
    with pytest.raises((Refused, Unavailable)):
        echo_at(clinic)
