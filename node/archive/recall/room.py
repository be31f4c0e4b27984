"""How much may come back that nobody waits for: as far as nothing else has to go for it."""

from __future__ import annotations

from node.archive.lifecycle.fullness import online_bytes, wanted_bytes
from node.archive.lifecycle.pressure import begins_above
from node.archive.lifecycle.ruling import effective_rules
from node.archive.recall.tickets import coming_bytes
from node.failpoints import planted
from node.node import Node


def room_bytes(node: Node) -> int:
    """Give the bytes online, and on their disk, that are free without anything going before its time.

    What is on its way back counts as there.
    """
    limits, online = effective_rules(node).limits, online_bytes(node.database)
    if planted("brought-under-pressure"):
        return 1 << 62
    if wanted_bytes(node, limits, online=online):
        return 0
    disk = node.packs.directory.free_bytes() - max(limits.reserve_bytes, 2 * node.packs.reserve_bytes)
    free = min(disk, begins_above(limits) - online) if limits.online_bytes else disk
    return max(0, free - coming_bytes(node.database))
