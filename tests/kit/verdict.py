"""What must hold of a state folder when everything that failed has been started again: said in sentences.

What was answered for is there byte for byte, what was not is there whole or not
at all, and the index is exactly what the packs hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from actors.ingest import Ingest
from node.clock import SystemClock
from node.database.port import integer
from node.errors import GridError
from node.journal.cursors import position
from node.node import Node
from node.store.packs import index_cursor
from tests.kit.actors import Failures
from tests.kit.bare_node import bare_node
from tests.kit.swept import NODE, is_indexed, open_packs

STEPS = 200
"""More than any landing here needs."""
Digests = Mapping[str, str]
"""SHA-256 of a data set by SOP Instance UID."""


def wrong_with(folder: Path, *, acknowledged: Digests, sent: Digests) -> list[str]:
    """Recover, register what is left, and name what is not as it must be.

    Parameters
    ----------
    sent
        All that ever left the sender: what is held must be among it.
    """
    packs = open_packs(folder / NODE)
    wrong = list(packs.recover().damaged)
    held: list[tuple[str, str]] = []
    for pack in packs.names():
        try:
            held += [(record.sop_uid, packs.check(record.location)) for record in packs.marked(pack, 0)]
        except GridError as error:
            wrong.append(str(error))
    wrong += [f"{uid} was answered for and is gone" for uid in acknowledged if uid not in dict(held)]
    wrong += [f"{uid} is not what was sent" for uid, digest in held if sent.get(uid) != digest]
    node = bare_node(folder, NODE, SystemClock())
    try:
        return [*wrong, *_wrong_in_index(node, held)]
    finally:
        node.close()


def _wrong_in_index(node: Node, held: list[tuple[str, str]]) -> Iterator[str]:
    actor = Ingest(Failures(), node)
    for _ in range(STEPS):
        if is_indexed(node):
            break
        actor.step()
    else:
        yield f"the index does not get through {node.packs.landing()}"
    rows = node.database.read("SELECT sop_uid, digest FROM instance ORDER BY 1, 2")
    indexed = [(str(row["sop_uid"]), str(row["digest"])) for row in rows]
    if indexed != sorted(set(held)):
        yield f"the index has {len(indexed)} instances, the packs {len(set(held))}"
    for what, sql, expected in (
        ("instances of studies", "SELECT sum(instance_count) AS n FROM study", len(indexed)),
        ("repeats", "SELECT sum(times) AS n FROM repeated", len(held) - len(indexed)),
        ("instances told of", _TOLD, len(indexed)),
        ("problems", _PROBLEMS, 0),
    ):
        counted = integer(node.database.read(sql)[0], "n")
        if counted != expected:
            yield f"{counted} {what} in place of {expected}"
    for pack in node.packs.names():
        cursor = position(node.database, index_cursor(pack))
        if not node.packs.is_finished(pack, cursor):
            yield f"the index stands at byte {cursor} of pack {pack}, which is not its end"


_TOLD = "SELECT sum(json_extract(body, '$.instances')) AS n FROM journal WHERE type = 'study-changed/1'"
_PROBLEMS = "SELECT count(*) AS n FROM problem WHERE kind <> 'instance-refused'"
