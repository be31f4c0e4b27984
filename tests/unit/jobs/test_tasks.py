from __future__ import annotations

import json
import subprocess
import sys

import dramatiq
import pytest

from actors.jobs.broker import JobBroker
from actors.jobs.job_table import JobTable
from actors.jobs.tasks import JOBS, bind
from actors.jobs.worker import given_up
from node.errors import NotFound
from node.journal.jobs import enqueue
from node.names import Cause
from node.reporting.document import pdf_path
from tests.kit.clock import NOON
from tests.kit.reports import REPORT, put_signed_report


def test_names_of_jobs_are_those_that_rows_already_carry():
    assert set(JOBS) == {"make_documents", "deliver"}


def test_bound_job_is_called_with_the_node_and_the_arguments_of_its_row(node):
    broker = JobBroker(node.database, node.clock, node.bell)
    bind(broker, node)
    put_signed_report(node)
    broker.get_actor("make_documents")(report_id=REPORT.report_id)
    assert pdf_path(node, REPORT.report_id).exists()
    with pytest.raises(NotFound):
        broker.get_actor("deliver")(delivery_id="nobody")
    broker.close()


def test_job_that_is_given_up_is_shown_to_the_administrator(node):
    table = JobTable(node.database, node.clock, given_up=given_up(node))
    node.write([enqueue("deliver", {"delivery_id": "d"}, key="job-1", cause=Cause("cause-7"), now=NOON)])
    table.fail(table.lease("default"), "Reading the delivery failed: it is not here.", for_good=True)
    (problem,) = node.database.read("SELECT kind, subject, detail FROM problem")
    assert problem == {
        "kind": "job",
        "subject": "job/job-1",
        "detail": "Running job deliver was given up: Reading the delivery failed: it is not here.",
    }
    assert [record.type for record in node.journal.by_cause("cause-7")] == ["problem-found/1"]


def test_importing_the_worker_opens_nothing_and_loads_no_heavy_library():
    script = (
        "import sys, json, threading; import actors.jobs.worker;"
        "heavy = [m for m in ('pydicom', 'pynetdicom', 'typst', 'highdicom', 'numpy') if m in sys.modules];"
        "print(json.dumps([heavy, threading.active_count()]))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == [[], 1]


def test_no_global_broker_of_dramatiq_is_touched():
    assert dramatiq.broker.global_broker is None
