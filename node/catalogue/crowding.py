"""Which packs of a study are worth merging: many small ones that came by one door.

Senders that make one association for each image leave as many packs as images.
What is large already stays: every byte is copied a few times at most.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from node.database.port import integer, text
from node.names import StudyKey
from node.node import Node

FEW = 8
"""So many small packs of one study and door may stay."""
PACKS_AT_ONCE = 100
ROWS_AT_ONCE = 2_000
BYTES_AT_ONCE = 256 << 20
"""One merge takes no more than these, so that it keeps nobody waiting and needs little room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Small:
    """A closed pack of which several fit into one merge."""

    pack: str
    door: str
    rows: int
    size_bytes: int


def find_small(node: Node, key: StudyKey, *, leave: Collection[str] = ()) -> list[Small]:
    """Give a study's small packs, those that came first first; without those that the index has not read whole."""
    rows = node.database.read(
        "SELECT pack, min(door) AS door, count(*) AS n, min(received_at) AS first FROM online_instance"
        " WHERE origin = ? AND study_uid = ? GROUP BY pack ORDER BY first, pack",
        (key.origin, key.study_uid),
    )
    landing = set(node.packs.landing())
    found: list[Small] = []
    for row in rows:
        pack = text(row, "pack")
        if pack in landing or pack in leave or integer(row, "n") > ROWS_AT_ONCE // 2:
            continue
        try:
            size = node.packs.path(pack).stat().st_size
        except FileNotFoundError:
            continue  # merged meanwhile; `verify` names it if it was not
        if size <= BYTES_AT_ONCE // 2:
            found.append(Small(pack=pack, door=text(row, "door"), rows=integer(row, "n"), size_bytes=size))
    return found


def choose(small: Iterable[Small]) -> list[str]:
    """Choose the packs of one merge; none when no door has left more than a few."""
    doors: dict[str, list[Small]] = {}
    for one in small:
        doors.setdefault(one.door, []).append(one)
    for packs in doors.values():
        if len(packs) > FEW:
            return _fitting(packs)
    return []


def _fitting(packs: Sequence[Small]) -> list[str]:
    """Take packs from the first on as long as they fit; two always do."""
    taken: list[Small] = []
    for one in packs[:PACKS_AT_ONCE]:
        rows, size = sum(p.rows for p in taken), sum(p.size_bytes for p in taken)
        if rows + one.rows > ROWS_AT_ONCE or size + one.size_bytes > BYTES_AT_ONCE:
            break
        taken.append(one)
    return [one.pack for one in taken]
