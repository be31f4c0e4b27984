"""The receiver process: takes what devices send, and needs neither the database nor the rest of the node."""

from __future__ import annotations

import threading
from pathlib import Path

from node.allocator import stay_small
from node.bell import LANDING, Bell
from node.clock import SystemClock
from node.config import load_config
from node.dimse.barrier import index_of
from node.dimse.server import Receiver
from ops.compose import compose_reading, database_path, open_packs, run_directory

DRAIN_S = 8.0


def run_receiver(state: Path, stopping: threading.Event) -> int:
    """Receive until told to stop; give the exit code."""
    stay_small()
    config, clock = load_config(state), SystemClock()
    packs = open_packs(state, config, process="receiver", clock=clock)
    for damage in packs.recover().damaged:
        print(damage, flush=True)
    bell = Bell(run_directory(state) / LANDING)
    receiver = Receiver(
        config,
        state,
        packs=packs,
        clock=clock,
        bell=bell,
        caught_up=index_of(database_path(state)),
        catalogue=lambda: compose_reading(state, config, packs, clock),
    )
    receiver.start()
    stopping.wait()
    receiver.stop(DRAIN_S)
    return 0
