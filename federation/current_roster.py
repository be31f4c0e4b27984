"""The roster as it stands now, read again only when a statement was added."""

from __future__ import annotations

import threading
from collections.abc import Callable

from federation.roster import Roster
from node.database.port import Database, Value

Rosters = Callable[[], Roster]
"""Gives the roster of this moment, so that an admission or a revocation counts at the next call."""


class CurrentRoster:
    """Keeps the last roster read; two small reads say whether it still stands."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._seen: tuple[Value, ...] = ()
        self._roster = Roster()

    def __call__(self) -> Roster:
        """Give the roster.

        Raises
        ------
        Damaged
            A row of it was altered.
        """
        (row,) = self._database.read(
            "SELECT (SELECT count(*) FROM roster_statement) AS statements,"
            " (SELECT count(*) FROM key_rotation) AS rotations,"
            " (SELECT max(rotation) FROM key_rotation) AS newest"
        )
        seen = tuple(row.values())
        with self._lock:
            if seen != self._seen:
                self._roster = Roster.load(self._database)
                self._seen = seen
            return self._roster
