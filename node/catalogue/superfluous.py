"""Packs of nothing but repeats: no row means them, and what they hold stands elsewhere. They go as merged packs do.

A device that sends a study twice leaves a pack that nobody reads, and that would outlive its study's online copy.
It goes only when the index has read it whole, and each of its contents has a row of its own whose bytes were
looked at just now. Whatever else no row means, `meridian verify` names.
"""

from __future__ import annotations

from contextlib import suppress

from node.archive.archived import is_archived
from node.archive.scrub.rotation import begun_at
from node.catalogue.repointing import retire
from node.catalogue.search import InstanceRow
from node.clock import SECOND, Micros
from node.database.port import read_as
from node.errors import Conflict, GridError
from node.failpoints import planted
from node.journal.cursors import position
from node.node import Node
from node.store.directory import is_damaged
from node.store.facts import MarkedRecord
from node.store.packs import index_cursor

AT_ONCE = 500
OLD: Micros = 24 * 3600 * SECOND


def retire_repeats(node: Node, *, after: str = "") -> str:
    """Let packs go that hold nothing but repeats, looking at some behind a name; give the last name, empty at the end."""
    busy = {*node.packs.landing(), *node.packs.directory.merging()}
    names = [name for name in node.packs.names() if name > after][:AT_ONCE]
    for pack in names:
        if pack in busy or begun_at(pack) > node.now() - OLD or _is_known(node, pack):
            continue
        with suppress(GridError):
            _retire(node, pack)
    return names[-1] if len(names) == AT_ONCE else ""


def _is_known(node: Node, pack: str) -> bool:
    """Say whether a row means a pack, it is on its way out already, or the scrub found it damaged and puts it aside."""
    return bool(
        node.database.read(
            "SELECT 1 AS known FROM online_instance WHERE pack = ? UNION ALL SELECT 1 FROM retired_pack WHERE pack = ?"
            " UNION ALL SELECT 1 FROM scrubbed WHERE pack = ? AND state <> 'whole' LIMIT 1",
            (pack, pack, pack),
        )
    )


def _retire(node: Node, pack: str) -> None:
    records = list(node.packs.marked(pack, 0))
    if not records or position(node.database, index_cursor(pack)) < records[-1].next_offset:
        return  # the index has not read it, as after a restore
    successors = [_elsewhere(node, record) for record in records]
    if None in successors:
        return
    with suppress(Conflict):
        node.write(retire(node, pack, str(successors[0])))


def _elsewhere(node: Node, record: MarkedRecord) -> str | None:
    """Give the pack that holds the content that a record repeats, whole; None when it may be the only one."""
    facts = record.facts
    rows = read_as(
        node.database,
        InstanceRow,
        "SELECT * FROM instance WHERE origin = ? AND study_uid = ? AND sop_uid = ? AND digest = ?",
        (facts.origin, facts.study_uid, record.sop_uid, record.digest),
    )
    if not rows:
        return None
    (row,) = rows
    if planted("repeat-unlooked"):
        return row.pack
    if is_damaged(row.pack):
        return None
    if is_archived(row.pack):
        return row.pack if _is_packaged(node, row.pack) else None
    return row.pack if node.packs.check(row.location) == row.digest else None


def _is_packaged(node: Node, pack: str) -> bool:
    return bool(
        node.database.read(
            "SELECT 1 AS stands FROM archived JOIN package_copy USING (digest) WHERE archived.pack = ?"
            " AND package_copy.state = 'verified' LIMIT 1",
            (pack,),
        )
    )
