"""Both tiers compared, over and over, with what was received: a step at a time, what was verified longest ago first.

What is found damaged is served no more (`damage`), and healed at once from where it is whole (`healing`, `healing_copies`).
How far it has come stands in rows, so that whoever is killed goes on from there; two at once do some of it twice.
How fast is `pacing`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from node.archive.archived import DAMAGED, GONE, CopyRow
from node.archive.copies import keep_key, note_copy, stored_of
from node.archive.scrub.damage import note_damage, packs_to_heal, sent_again
from node.archive.scrub.examining import examine
from node.archive.scrub.healing import Healed, set_aside, try_heal
from node.archive.scrub.healing_copies import heal_copies
from node.archive.scrub.rotation import (
    PackRow,
    copy_verified,
    due,
    enrol,
    later,
    later_copy,
    pack_forgotten,
    pack_reached,
    pack_verified,
    tidy_later,
)
from node.archive.stores.verifying import verify_copy
from node.clock import MINUTE, Micros
from node.database.port import Statement
from node.errors import Conflict, Damaged, GridError, NotFound, NotReady
from node.failpoints import planted
from node.node import Node

AGAIN: Micros = 10 * MINUTE
"""A store or a disk that is away is asked again after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """What a step, or several, came to."""

    bytes: int = 0
    packs: int = 0
    copies: int = 0
    damaged: int = 0
    """Packs and copies."""
    healed: int = 0
    """Instances and copies."""
    lost: int = 0
    """Instances and packages."""
    is_last: bool = False
    """Whether nothing else is due."""

    def plus(self, other: Scrubbed) -> Scrubbed:
        """Count two together."""
        return Scrubbed(
            bytes=self.bytes + other.bytes,
            packs=self.packs + other.packs,
            copies=self.copies + other.copies,
            damaged=self.damaged + other.damaged,
            healed=self.healed + other.healed,
            lost=self.lost + other.lost,
            is_last=other.is_last,
        )


def scrub_some(node: Node, *, before: Micros, most_bytes: int) -> Scrubbed:
    """Compare what was verified last before a time, until so many bytes were read; heal what is found.

    Raises
    ------
    Unavailable
        The database is not there.
    """
    set_aside(node)
    done, marks = Scrubbed(), list[Statement]()
    queue = due(node, before=before)
    for one in queue:
        if done.bytes >= most_bytes:
            break
        match one:
            case PackRow():
                found = _scrub_pack(node, one, marks, most_bytes - done.bytes)
            case CopyRow():
                found = _scrub_copy(node, one, marks)
            case _:
                assert_never(one)
        done = done.plus(found)
    if marks:
        node.database.write(marks, node.new_id())
    healed = _heal(node)
    return done.plus(Scrubbed(healed=healed.healed, lost=healed.lost, is_last=not queue))


def scrub_all(node: Node, tell: Callable[[Scrubbed], None], *, step_bytes: int = 64 << 20) -> Scrubbed:
    """Compare everything once, as fast as it goes, also what was to wait; tells how far it has come."""
    begin = node.now()
    node.database.write([Statement("DELETE FROM scrub_later")], node.new_id())
    refresh(node)
    done = Scrubbed()
    while not done.is_last:
        done = done.plus(scrub_some(node, before=begin, most_bytes=step_bytes))
        tell(done)
    return done


def refresh(node: Node) -> None:
    """Take new packs into the rotation, let go of those that are gone, and see what came again."""
    enrol(node)
    node.database.write([tidy_later(node), sent_again(node)], node.new_id())


def _scrub_pack(node: Node, row: PackRow, marks: list[Statement], most_bytes: int) -> Scrubbed:
    try:
        found = examine(node, row.pack, after=row.position, most_bytes=most_bytes)
        if found.words:
            note_damage(node, row.pack, found.damaged, found.words)
            return Scrubbed(bytes=found.bytes, packs=1, damaged=1)
    except Conflict:
        return Scrubbed()  # its rows were moved: it is looked at again
    except GridError:
        marks.append(later(f"pack/{row.pack}", node.now() + AGAIN))
        return Scrubbed()
    if not found.meant:
        marks.append(pack_forgotten(row.pack))
        return Scrubbed()
    if found.position is not None:
        marks.append(pack_reached(row.pack, found.position))
        return Scrubbed(bytes=found.bytes)
    marks.append(pack_verified(node, row.pack))
    return Scrubbed(bytes=found.bytes, packs=1)


def _scrub_copy(node: Node, copy: CopyRow, marks: list[Statement]) -> Scrubbed:
    try:
        if not planted("scrub-believes"):
            verify_copy(node.archive.store(copy.store), stored_of(copy), node.clock)
        keep_key(node, copy)
    except Damaged as error:
        note_copy(node, copy, DAMAGED, error)
        return Scrubbed(bytes=copy.bytes, copies=1, damaged=1)
    except NotFound as error:
        note_copy(node, copy, GONE, error)
        return Scrubbed(copies=1, damaged=1)
    except NotReady as error:
        marks.append(later_copy(copy, error.ready_at, store=False))
        return Scrubbed()
    except GridError:
        marks.append(later_copy(copy, node.now() + AGAIN, store=True))
        return Scrubbed()
    marks.append(copy_verified(node, copy))
    return Scrubbed(bytes=copy.bytes, copies=1)


def _heal(node: Node) -> Healed:
    copies = heal_copies(node)
    packs = [try_heal(node, pack) for pack in packs_to_heal(node)]
    return Healed(
        healed=copies.healed + sum(one.healed for one in packs),
        lost=copies.lost + sum(one.lost for one in packs),
    )
