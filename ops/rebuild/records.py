"""Every record of every pack registered again, a batch at a time; what cannot be is listed and left where it lies.

A pack that took the place of others says so in its end record. Where such a one is still here, between the merge and its
end ten minutes later, its records stand in the other and count once: it goes when its time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from node.catalogue.contents import StoredContents
from node.catalogue.repointing import retire
from node.catalogue.reregistration import register_again
from node.database.port import Statement
from node.errors import Damaged, InvalidRequest, NotFound
from node.journal.cursors import advance
from node.names import Cause, StudyKey
from node.node import Node
from node.store.facts import MarkedRecord
from node.store.merging import is_merged, sources_of
from node.store.packs import index_cursor
from ops.rebuild.deleted import Deleted

BATCH = 400
Told = Callable[[str, int, int], None]
"""What is under way, how much of it is done, and of how much."""


@dataclass(slots=True, kw_only=True)
class Records:
    """What came of the packs."""

    packs: int = 0
    records: int = 0
    instances: int = 0
    newest_at: int = 0
    """When the last of them was received."""
    deleted: int = 0
    unreadable: list[str] = field(default_factory=list)
    """One sentence a record, or a pack that breaks off."""


class Registering:
    """One run over the packs."""

    def __init__(self, node: Node, contents: StoredContents, deleted: Deleted, tell: Told) -> None:
        self._node = node
        self._contents = contents
        self._deleted = deleted
        self._tell = tell
        self._waiting: list[MarkedRecord] = []
        self._cursors: list[Statement] = []
        self.found = Records()

    def run(self) -> Records:
        """Register all that is there."""
        node, directory = self._node, self._node.packs.directory
        replaced = self._replaced()
        packs = [pack for pack in node.packs.names() if pack not in replaced]
        sizes = {pack: directory.path(pack).stat().st_size for pack in packs}
        total, done = sum(sizes.values()), 0
        for pack in packs:
            for record in self._records(pack):
                self._take(record)
                self._tell("records", done + record.next_offset, total)
            done += sizes[pack]
        self._write()
        for source, (pack, size) in replaced.items():
            cursor = advance(index_cursor(source), before=0, after=size)
            node.database.write([cursor, *retire(node, source, pack)], node.new_id())
        self._tell("records", total, total)
        return self.found

    def _replaced(self) -> dict[str, tuple[str, int]]:
        """Give the packs that are here and whose records stand in another, with that and their size."""
        here = set(self._node.packs.names())
        replaced: dict[str, tuple[str, int]] = {}
        for pack in sorted(here):
            if is_merged(pack):
                try:
                    sources = sources_of(self._node.packs, pack)
                except (Damaged, InvalidRequest):
                    continue  # it is listed when its records are read
                replaced |= {one.pack: (pack, one.size_bytes) for one in sources if one.pack in here}
        return replaced

    def _records(self, pack: str) -> Iterator[MarkedRecord]:
        """Give a pack's records up to its end, or to where it breaks off."""
        end = 0
        try:
            for record in self._node.packs.marked(pack, 0):
                end = record.next_offset
                yield record
        except NotFound:
            return
        except (Damaged, InvalidRequest) as error:
            self.found.unreadable.append(error.message)
            self._show("damaged-pack", f"pack/{pack}", error.message)
        if end:
            self.found.packs += 1
            self._cursors.append(advance(index_cursor(pack), before=0, after=end))

    def _take(self, record: MarkedRecord) -> None:
        facts = record.facts
        self.found.records += 1
        origin = facts.origin if facts.door == "peer" else self._node.id
        if self._deleted.covers(StudyKey(origin=origin, study_uid=facts.study_uid), facts.received_at):
            self.found.deleted += 1
            return
        self.found.newest_at = max(self.found.newest_at, facts.received_at)
        self._waiting.append(record)
        if len(self._waiting) >= BATCH:
            self._write()

    def _write(self) -> None:
        cursors, self._cursors = self._cursors, []
        records, self._waiting = self._waiting, []
        done = register_again(self._node, records, contents=self._contents, cursors=cursors)
        self.found.instances += done.instances
        for one in done.unreadable:
            place = one.record.location
            self.found.unreadable.append(f"pack {place.pack} at byte {place.offset}: {one.reason}")
            detail = (
                f"{one.reason} It came from {one.record.facts.calling or one.record.facts.door} and is kept."
            )
            self._show("unreadable-instance", f"pack/{place.pack}/{place.offset}", detail)

    def _show(self, kind: str, about: str, detail: str) -> None:
        """Let the administrator see what the journal has not told her already."""
        node = self._node
        sql = "SELECT 1 AS told FROM problem WHERE kind = ? AND subject = ? LIMIT 1"
        if not node.database.read(sql, (kind, about)):
            problem = node.problem(kind, about=about, detail=detail, cause=Cause(node.new_id()))
            node.database.write(problem, node.new_id())
