"""The worker process: jobs that burn a core or are retried for days."""

from __future__ import annotations

import threading
from pathlib import Path

from actors.chain import seal_rest
from actors.jobs.worker import run_worker
from ops.compose import compose_node
from ops.logs import configure_logs


def run_worker_process(state: Path, stopping: threading.Event) -> int:
    """Run jobs until told to stop; give the exit code."""
    node = compose_node(state, process="worker")
    configure_logs(node.id, "worker")
    node.packs.recover()
    run_worker(node, stopping)
    seal_rest(node)
    node.close()
    return 0
