"""How far a transfer has come: kept here while it goes, written at most once a second.

The counts of whoever carries it out come in by `count`; a thread writes them with
what need not be sent again, and learns whether somebody wants it to end. What was not written when
the process is killed is a second of work, which is done once more.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from node.clock import SECOND
from node.database.port import Statement, integer
from node.errors import GridError
from node.node import Node
from node.transfers.transfers import Transfer

EVERY_S = 1.0
_ALIVE_EVERY = 3 * SECOND


@dataclass(frozen=True, slots=True)
class Figures:
    """What a person sees of it."""

    asked: int | None = None
    done: int = 0
    warned: int = 0
    failed: int = 0
    bytes: int = 0


class Progress:
    """The row of one transfer while it runs; use it as a context."""

    def __init__(self, node: Node, transfer: Transfer) -> None:
        """Begin where it stood."""
        self._node = node
        self._transfer = transfer
        self._lock = threading.Lock()
        self._figures = Figures(
            asked=transfer.asked, done=transfer.done, warned=transfer.warned, bytes=transfer.bytes
        )
        self._written = self._figures
        self._sent: list[tuple[str, str]] = []
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._alive_at = 0
        self._thread = threading.Thread(target=self._run, name=f"transfer-{transfer.id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._write()

    @property
    def stopped(self) -> bool:
        """Whether somebody wants it to end."""
        return self._stop.is_set()

    @property
    def figures(self) -> Figures:
        with self._lock:
            return self._figures

    def count(self, **figures: Any) -> None:
        """Say where it stands: `Figures` by name."""
        with self._lock:
            self._figures = replace(self._figures, **figures)

    def sent(self, sop_uid: str, *, warned: bool, size_bytes: int) -> None:
        """Note an instance that the remote AE has; it is not sent again."""
        with self._lock:
            self._sent.append((sop_uid, "warned" if warned else "stored"))
            now = self._figures
            self._figures = replace(
                now, done=now.done + 1, warned=now.warned + warned, bytes=now.bytes + size_bytes
            )

    def _run(self) -> None:
        while not self._ended.wait(EVERY_S):
            try:
                self._write()
                self._look()
            except GridError:
                continue  # the database is busy; the next second writes the same

    def _write(self) -> None:
        with self._lock:
            figures, sent = self._figures, self._sent
            self._sent = []
        now = self._node.now()
        if figures == self._written and not sent and now - self._alive_at < _ALIVE_EVERY:
            return
        statements = [
            Statement(
                "UPDATE transfer SET asked = ?, done = ?, warned = ?, failed = ?, bytes = ?, seen_at = ?"
                " WHERE id = ? AND state = 'running'",
                (
                    figures.asked,
                    figures.done,
                    figures.warned,
                    figures.failed,
                    figures.bytes,
                    now,
                    self._transfer.id,
                ),
            ),
            *(
                Statement(
                    "INSERT INTO transferred (transfer, sop_uid, outcome) VALUES (?, ?, ?)"
                    " ON CONFLICT (transfer, sop_uid) DO NOTHING",
                    (self._transfer.id, *one),
                )
                for one in sent
            ),
        ]
        try:
            self._node.database.write(statements, self._node.new_id())
        except GridError:
            with self._lock:
                self._sent = sent + self._sent
            raise
        self._written, self._alive_at = figures, now

    def _look(self) -> None:
        rows = self._node.database.read("SELECT stop FROM transfer WHERE id = ?", (self._transfer.id,))
        if not rows or integer(rows[0], "stop"):
            self._stop.set()
