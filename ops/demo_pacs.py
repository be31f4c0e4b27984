"""The demo's stand-in for a PACS: stores what it is sent as files. ``python -m ops.demo_pacs STATE AET HOST PORT``."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from node.dimse.file_scp import FileStore
from ops.running import stop_on_signals
from ops.serve import end_with_parent


def main(arguments: list[str]) -> int:
    """Store until told to stop; give the exit code."""
    state, aet, host, port = arguments
    stopping = threading.Event()
    stop_on_signals(stopping)
    end_with_parent()
    store = FileStore(Path(state) / "received", aet=aet, address=(host, int(port)))
    store.start()
    stopping.wait()
    store.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
