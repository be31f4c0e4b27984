"""Store, release, query works: on release the receiver waits until the index has caught up, for a while.

What came is safe already; waiting only spares the sender a query that finds
nothing yet. So an index that is slow, or a database that is not there, costs at
most the time that the configuration allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from node.store.packs import index_cursor

CaughtUp = Callable[[str, int], bool]
"""Says whether the index has registered a pack up to an offset."""
_LOOK_S = 0.01


def wait_for_index(reached: Mapping[str, int], caught_up: CaughtUp, *, at_most_s: float) -> bool:
    """Wait until each pack is registered as far as it was written; give whether it came to that."""
    until = time.monotonic() + at_most_s
    for pack, offset in reached.items():
        while not caught_up(pack, offset):
            if time.monotonic() >= until:
                return False
            time.sleep(_LOOK_S)
    return True


def index_of(database: Path) -> CaughtUp:
    """Give a look at the cursor of the index in an SQLite file, read-only; without the file nothing is waited for."""
    from node.database.glance import Glance

    glance = Glance(database)

    def caught_up(pack: str, offset: int) -> bool:
        position = glance.position(index_cursor(pack))
        return position is None or position >= offset

    return caught_up
