"""Registers what the doors have stored: from marked pack records to catalogue rows.

Reads: packs that are landing, from their cursors; what the receiver wrote down of
devices and refusals. Tells: nobody. Writes: through `registration.register` and
`register_refusals`, with their cursors.

A batch is bounded, so a flood fills disks, not memory. A pack that is registered
to its end record leaves the landing and is not looked at again.
"""

from __future__ import annotations

import logging

from actors.base import Failed, Follower
from node.catalogue.moving import adopt_merged
from node.catalogue.registration import register
from node.database.port import Statement
from node.dimse.registration import register_refusals
from node.errors import Damaged, InvalidRequest, NotFound
from node.journal.cursors import advance, position
from node.names import Cause
from node.node import Node
from node.store.facts import MarkedRecord
from node.store.merging import is_merged
from node.store.packs import index_cursor

BATCH = 400
_log = logging.getLogger(__name__)


class Ingest(Follower):
    """Follows the landing."""

    NAME = "ingest"
    POLL_S = 1.0
    SPACING_S = 0.05

    def __init__(self, failed: Failed, node: Node) -> None:
        super().__init__(failed)
        self._node = node
        self._turn = 0
        self._damaged: set[str] = set()

    def step(self) -> float | None:
        """Register the next batch."""
        full = self._register_landing()
        while register_refusals(self._node):
            continue
        return 0 if full else None

    def _register_landing(self) -> bool:
        """Register up to a batch of records; say whether there may be more."""
        for pack in self._node.packs.landing():
            if is_merged(pack) and pack not in self._damaged:
                self._adopt(pack)
        packs = [pack for pack in self._node.packs.landing() if pack not in self._damaged]
        self._turn += 1  # whose records come first changes, so that a huge pack keeps nobody waiting
        first = self._turn % len(packs) if packs else 0
        records: list[MarkedRecord] = []
        cursors: list[Statement] = []
        for pack in packs[first:] + packs[:first]:
            if len(records) >= BATCH:
                break
            before = position(self._node.database, index_cursor(pack))
            found = self._next_records(pack, before, room=BATCH - len(records))
            if found:
                records += found
                cursors.append(advance(index_cursor(pack), before=before, after=found[-1].next_offset))
            elif pack not in self._damaged and self._is_finished(pack, before):
                self._node.packs.landed(pack)
        if records:
            register(self._node, records, cursors=cursors)
        return len(records) >= BATCH

    def _next_records(self, pack: str, before: int, *, room: int) -> list[MarkedRecord]:
        found: list[MarkedRecord] = []
        try:
            for record in self._node.packs.marked(pack, before):
                found.append(record)
                if len(found) >= room:
                    break
        except NotFound:
            return []  # discarded since it was listed: it never held a record
        except (Damaged, InvalidRequest) as error:
            if not found:  # what stands before the damage is registered first
                self._show_damage(pack, str(error))
        return found

    def _adopt(self, pack: str) -> None:
        """Take in a merged pack that is to be looked at; only a database that was restored, or is new, meets such.

        Before anything else: it moves the cursors of the packs that it took the place of.
        """
        try:
            adopt_merged(self._node, pack)
        except NotFound:
            return
        except (Damaged, InvalidRequest) as error:
            self._show_damage(pack, str(error))

    def _is_finished(self, pack: str, offset: int) -> bool:
        try:
            return self._node.packs.is_finished(pack, offset)
        except NotFound:
            return False

    def _show_damage(self, pack: str, detail: str) -> None:
        """Tell the administrator once, and go on with the other packs."""
        self._damaged.add(pack)
        about = f"pack/{pack}"
        shown = self._node.database.read(
            "SELECT 1 AS shown FROM problem WHERE kind = 'damaged-pack' AND subject = ? AND seen_at IS NULL",
            (about,),
        )
        _log.error("pack %s is damaged: %s", pack, detail)
        if not shown:
            cause = Cause(self._node.new_id())
            self._node.write(self._node.problem("damaged-pack", about=about, detail=detail, cause=cause))
