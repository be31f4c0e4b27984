"""Receiver, grid and worker in one process: for tests and small clinics.

Simpler to look at, and one crash takes all three: what was answered is on disk
all the same.
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from actors.chain import seal_rest
from actors.jobs.worker import JobWorker
from node.allocator import keep_freed
from node.dimse.barrier import index_of
from node.dimse.server import Receiver
from ops.compose import compose_node, database_path
from ops.grid import Grid, prepare
from ops.logs import configure_logs
from ops.receiver import DRAIN_S


def serve_in_one_process(state: Path) -> int:
    """Run everything until SIGTERM or SIGINT; give the exit code."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    keep_freed()
    node = compose_node(state, process="all")
    configure_logs(node.id, "all")
    prepare(node)
    receiver = Receiver(
        node.config,
        state,
        packs=node.packs,
        clock=node.clock,
        bell=node.landed,
        caught_up=index_of(database_path(state)),
        catalogue=lambda: node,
    )
    grid, worker = Grid(node, stopping), JobWorker(node)
    try:
        grid.start()
        worker.start()
        receiver.start()
        stopping.wait()
    finally:
        receiver.stop(DRAIN_S)
        worker.stop()
        grid.stop()
        seal_rest(node)
        node.close()
    return 1 if grid.gave_up else 0
