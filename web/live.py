"""What just changed, told to every open page: the journal's tail, woken by the bell.

A page is told names only, and only of what its viewer may see; it then asks
again for what it shows. Nothing is kept for a page that is away: it says the
last number it heard, and the journal has the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from node.catalogue.visibility import Viewer, may_see
from node.database.port import text
from node.errors import InvalidRequest, Unavailable
from node.journal.records import Record
from node.names import NodeId, StudyKey, StudyUID, Subject, study_of
from node.node import Node
from web.threads import Threads

LOOK_S = 2.0
"""A bell may be lost, so the tail is also looked at this often while somebody listens."""
KEPT = 1000
STREAMS = 256
_SHOWN_AS = {"request": "case", "documents": "report"}
_CASE = "SELECT origin, study_uid, pool, claimed_by FROM consult_case WHERE case_id = ?"
_REPORT = "SELECT origin, study_uid, '' AS pool, '' AS claimed_by FROM report WHERE report_id = ?"


class Feed:
    """One reader of the tail for all pages of this process. Its methods run on the loop."""

    def __init__(self, node: Node, threads: Threads) -> None:
        self._node = node
        self._threads = threads
        self._recent: deque[Record] = deque(maxlen=KEPT)
        self._head = 0
        self._bell = asyncio.Event()
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.listeners = 0
        self.closed = False

    async def start(self) -> None:
        """Begin at the journal's end."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            if not self.closed:
                loop.call_soon_threadsafe(self._bell.set)

        self._head = await self._threads.run(self._node.journal.head)
        self._node.bell.listen(wake)
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Send every page away."""
        self.closed = True
        if self._task is not None:
            self._task.cancel()
        async with self._news:
            self._news.notify_all()

    def join(self) -> int:
        """Count one more page in; give the newest number, where it begins.

        Raises
        ------
        Unavailable
            Too many pages listen.
        """
        if self.listeners >= STREAMS:
            raise Unavailable(
                "Following changes was refused: too many pages are open. Close some, then reload."
            )
        self.listeners += 1
        self._bell.set()
        return self._head

    def leave(self) -> None:
        self.listeners -= 1

    async def after(self, seq: int, wait_s: float) -> Sequence[Record]:
        """Give the records after a number, oldest first; none when nothing came in time."""
        if self._head <= seq and not self.closed:
            async with self._news:
                try:
                    await asyncio.wait_for(
                        self._news.wait_for(lambda: self.closed or self._head > seq), wait_s
                    )
                except TimeoutError:
                    return ()
        if self._recent and self._recent[0].seq <= seq + 1:
            return [record for record in self._recent if record.seq > seq]
        if self._head <= seq:
            return ()
        return await self._threads.run(lambda: self._node.journal.since(seq, limit=KEPT))

    async def _follow(self) -> None:
        while not self.closed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), LOOK_S if self.listeners else None)
            self._bell.clear()
            try:
                records = await self._threads.run(lambda: self._node.journal.since(self._head))
            except Unavailable:
                continue  # the database is busy; the next look finds the same records
            if records:
                self._recent.extend(records)
                self._head = records[-1].seq
                async with self._news:
                    self._news.notify_all()
                self._bell.set()  # there may be more than one page of them


def visible_changes(node: Node, viewer: Viewer, records: Sequence[Record]) -> tuple[list[str], list[str]]:
    """Give the types (without their versions) and subjects among records that a viewer may know of, each once.

    A clinic's request and its case at home are one case to a page, a report and its documents one report.
    """
    known: dict[Subject, bool] = {}
    types: dict[str, None] = {}
    subjects: dict[str, None] = {}
    for record in records:
        if record.subject not in known:
            known[record.subject] = _may_know(node, viewer, record.subject)
        if known[record.subject]:
            types[record.type.partition("/")[0]] = None
            kind, _, rest = record.subject.partition("/")
            subjects[f"{_SHOWN_AS.get(kind, kind)}/{rest}"] = None
    return list(types), list(subjects)


def _may_know(node: Node, viewer: Viewer, subject: Subject) -> bool:
    kind, _, rest = subject.partition("/")
    match kind:
        case "study":
            try:
                return _may_see(node, viewer, study_of(subject))
            except (InvalidRequest, ValueError):
                return False
        case "case" | "request":
            return _may_know_row(node, viewer, _CASE, rest)
        case "report" | "documents":
            return _may_know_row(node, viewer, _REPORT, rest)
        case "person":
            return rest == viewer.id or "administrator" in viewer.roles
        case "pool":
            return True
        case "transfer":
            return "technician" in viewer.roles
        case _:  # devices, problems, peers, remote AEs: the node's own affairs
            return "administrator" in viewer.roles


def _may_know_row(node: Node, viewer: Viewer, sql: str, id_: str) -> bool:
    """A case is also known to its pool: who may no longer see it must learn that it is gone."""
    for row in node.database.read(sql, (id_,)):
        if text(row, "claimed_by") == viewer.id:
            return True
        member = "SELECT 1 FROM membership WHERE person = ? AND pool = ?"
        if text(row, "pool") and node.database.read(member, (viewer.id, text(row, "pool"))):
            return True
        key = StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
        return _may_see(node, viewer, key)
    return False


def _may_see(node: Node, viewer: Viewer, key: StudyKey) -> bool:
    return may_see(node.database, node.id, viewer, key, node.now())
