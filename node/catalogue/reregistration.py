"""Records registered again into an index that is being rebuilt: the same rows as `registration` wrote, and no event.

The journal knows of them already, or whoever rebuilds tells it once what it lacks. Corrections are no matter here: the
index holds no fact yet, so studies grow as their instances say, and are restated when all is registered. As everywhere
the rows are a function of all receipts, so any order of packs and batches gives the same.

A receipt may stand in two packs: where a study came back from the archive, or was healed, before its old pack went.
It has one moment and one cause, and counts once; what a device sent twice came at two moments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.catalogue.arrivals import Arrival, Unreadable, read_arrivals
from node.catalogue.contents import StoredContents
from node.catalogue.growth import grow
from node.catalogue.held import Held, read_held
from node.catalogue.registration import by_study
from node.catalogue.statements import growth_statements
from node.database.port import Statement
from node.failpoints import planted
from node.node import Node
from node.store.facts import MarkedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Reregistered:
    """What a batch came to."""

    instances: int
    unreadable: tuple[Unreadable, ...]


def register_again(
    node: Node, records: Sequence[MarkedRecord], *, contents: StoredContents, cursors: Sequence[Statement]
) -> Reregistered:
    """Register records of packs and move the cursors, in one batch."""
    arrivals, unreadable = read_arrivals(node.packs, records, own=node.id)
    instances = take_arrivals(node, arrivals, contents=contents, more=cursors)
    return Reregistered(instances=instances, unreadable=tuple(unreadable))


def take_arrivals(
    node: Node, arrivals: Iterable[Arrival], *, contents: StoredContents, more: Sequence[Statement] = ()
) -> int:
    """Register what was read, wherever it lies; give how many contents were new.

    Parameters
    ----------
    more
        Statements for the same batch.
    """
    statements, instances = [*more], 0
    for key, group in by_study(list(arrivals)).items():
        sop_uids = list(dict.fromkeys(arrival.attributes.instance.sop_uid for arrival in group))
        held = read_held(node.database, node.journal, key, sop_uids=sop_uids)
        fresh = _once(group, held)
        if fresh:
            growth = grow(held, fresh, contents=contents)
            statements += growth_statements(key, held=held, growth=growth)
            instances += len(growth.inserted)
    if statements:
        node.database.write(statements, node.new_id())
    return instances


def _once(group: Sequence[Arrival], held: Held) -> list[Arrival]:
    """Leave out receipts that stand in another pack too."""
    if planted("rebuild-counts-copies"):
        return list(group)
    known = {(row.sop_uid, row.digest, row.received_at) for rows in held.contents.values() for row in rows}
    fresh = []
    for arrival in group:
        facts = arrival.record.facts
        receipt = (arrival.attributes.instance.sop_uid, arrival.record.digest, facts.received_at)
        if receipt not in known:
            known.add(receipt)
            fresh.append(arrival)
    return fresh
