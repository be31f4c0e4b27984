"""Remove older backups: their manifests first, then objects that no other backup names.

So whatever ends it half-way leaves objects that nobody needs, which the next one removes, and never a backup without its
objects. Nothing is removed before every list of what stays was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from node.clock import SECOND
from node.errors import GridError, InvalidRequest
from node.failpoints import failpoint, planted
from node.names import Digest
from node.node import Node
from node.watch.backups import remember_removed
from ops.backup.known import alone
from ops.backup.manifest import Signed
from ops.backup.opened import read_table
from ops.backup.place import Place

_DAY = 24 * 3600 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed."""

    backups: int
    objects: int
    kept: int
    names: tuple[Digest, ...]
    """Of the backups that were removed."""


def prune_known(node: Node, place: Place, *, keep: int, daily: int) -> Pruned:
    """Prune, and let the node remember which backups are gone; raises as `prune`.

    It remembers none before all are gone, and those alone that it removed itself: a place that lacks one may be another
    disk under the same name. What it forgets so, a certificate of deletion says to be there still.
    """
    if planted("removal-remembered-early"):
        gone = {one.name for one in place.backups()} - {
            one.name for one in chosen(place.backups(), keep=keep, daily=daily)
        }
        node.write(remember_removed(sorted(gone), at=node.now()))
    pruned = prune(node.state, place, keep=keep, daily=daily)
    if pruned.names:
        with suppress(GridError):
            node.write(remember_removed(pruned.names, at=node.now()))
    return pruned


def prune(state: Path, place: Place, *, keep: int, daily: int) -> Pruned:
    """Keep the newest backups, and of so many days the newest of each; remove the others.

    Parameters
    ----------
    state
        The node's state folder: no backup is made meanwhile, since what it has put no manifest names yet.

    Raises
    ------
    InvalidRequest
        None would stay.
    Damaged
        A backup that is to stay is not whole; nothing was removed.
    Conflict
        A backup is made just now.
    """
    if keep < 1:
        raise InvalidRequest("Removing backups was refused: none would stay. Keep one or more.")
    with alone(state):
        backups = place.backups()
        kept = chosen(backups, keep=keep, daily=daily)
        needed: set[Digest] = set()
        for signed in kept:
            needed |= {signed.manifest.table, *read_table(place, signed)}
        staying = {signed.name for signed in kept}
        gone = [signed.name for signed in backups if signed.name not in staying]
        for name in gone:
            place.manifests.remove(name)
        failpoint("backup-pruned")
        unneeded = [name for name in place.objects.names() if name not in needed]
        for name in unneeded:
            place.objects.remove(name)
    return Pruned(backups=len(gone), objects=len(unneeded), kept=len(kept), names=tuple(gone))


def chosen(backups: Sequence[Signed], *, keep: int, daily: int) -> list[Signed]:
    """Give the backups that stay, of all from the newest on. Days are those of UTC."""
    kept = list(backups[:keep])
    days: dict[int, Signed] = {}
    for signed in backups:
        days.setdefault(signed.manifest.at // _DAY, signed)
    recent = sorted(days, reverse=True)[:daily]
    kept += [days[day] for day in recent if days[day] not in kept]
    return kept
