"""Try a backup out: restore it to where nobody starts it, open studies at random, hold every instance against the catalogue.

A backup that was never restored is a hope. What is restored here is read as the node would read it, from an archive store
where a study lies there alone, and goes again. It never speaks to a peer.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node.archive.archived import is_archived
from node.archive.recall.recalling import bring
from node.catalogue.search import InstanceRow, instances_of
from node.clock import Micros
from node.database.port import Statement, text
from node.errors import GridError
from node.failpoints import planted
from node.keys.backup_key import OpenBackupKey
from node.names import Digest, NodeId, StudyKey, StudyUID
from node.node import Node
from node.watch.backups import DrillRow, remember_drill
from ops.backup.bundles import Progress
from ops.backup.place import Place
from ops.backup.restoring import restore
from ops.compose import compose_node, run_directory
from ops.verify import verify_part

STUDIES = 20
PARTS = (
    "database", "journal", "blocks", "studies", "corrections", "found", "cases", "texts", "reports", "outbox", "mailbox", "inbox",
    "roster",
)  # fmt: skip
"""Of `meridian verify`. Not packs and packages, of which some studies are read instead; not files on their way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """What came of trying a backup out."""

    backup: Digest
    made_at: Micros
    at: Micros
    studies: int
    instances: int
    differences: tuple[str, ...]
    """One sentence each; none is as it must be."""
    seconds: float


def drill(
    place: Place,
    *,
    key: OpenBackupKey,
    at: Micros,
    name: str = "",
    studies: int = STUDIES,
    folder: Path | None = None,
    chance: random.Random | None = None,
    progress: Progress = lambda what, count: None,
) -> Drilled:
    """Try a backup out, the newest without a name.

    Parameters
    ----------
    folder
        Where it is restored, for as long as it takes: on an encrypted disk with room for all of it.

    Raises
    ------
    NotFound
        There is no backup.
    Unavailable
        The place is away, or the disk has no room: that says nothing of the backup.
    """
    signed = place.backup(name)
    began = time.monotonic()
    chosen: list[StudyKey] = []
    instances = 0
    differences: list[str] = []
    with tempfile.TemporaryDirectory(prefix="meridian-drill-", dir=folder) as scratch:
        state = Path(scratch) / signed.manifest.node
        try:
            restore(place, state, key=key, name=signed.name, progress=progress)
        except GridError as error:
            if error.retry is error.retry.LATER:
                raise
            differences.append(error.message)
        else:
            node = compose_node(state)
            try:
                chosen = _choose(node, studies, chance or random.SystemRandom())
                for study in chosen:
                    count, found = _look(node, study)
                    instances += count
                    differences += found
                differences += _verified(node)
            finally:
                node.close()
                shutil.rmtree(run_directory(state), ignore_errors=True)
    return Drilled(
        backup=signed.name,
        made_at=signed.manifest.at,
        at=at,
        studies=len(chosen),
        instances=instances,
        differences=tuple(differences),
        seconds=time.monotonic() - began,
    )


def remember(drilled: Drilled) -> Statement:
    """Give the statement by which a node remembers a drill."""
    return remember_drill(
        DrillRow(
            at=drilled.at,
            backup=drilled.backup,
            made_at=drilled.made_at,
            studies=drilled.studies,
            instances=drilled.instances,
            differences=len(drilled.differences),
            seconds=drilled.seconds,
        )
    )


def _choose(node: Node, count: int, chance: random.Random) -> list[StudyKey]:
    rows = node.database.read(
        "SELECT origin, study_uid FROM online_instance UNION SELECT origin, study_uid FROM archived_series"
        " ORDER BY origin, study_uid"
    )
    keys = [
        StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
        for row in rows
    ]
    return chance.sample(keys, min(count, len(keys)))


def _look(node: Node, study: StudyKey) -> tuple[int, list[str]]:
    """Open a study; give how many instances it has, and what is wrong with them."""
    where = f"study {study.origin}/{study.study_uid}"
    rows = instances_of(node.database, study, chosen_only=False)
    if any(is_archived(row.pack) for row in rows):
        try:
            bring(node, study, who="drill", why="drill")
        except GridError as error:
            return len(rows), [f"{where}: {error.message}"]
        rows = instances_of(node.database, study, chosen_only=False)
    return len(rows), [f"{where}: {what}" for row in rows for what in _compare(node, row)]


def _compare(node: Node, row: InstanceRow) -> Iterator[str]:
    """Hold an instance's bytes against their digest, and that against the catalogue's."""
    if planted("drill-compares-nothing"):
        return
    try:
        digest = node.packs.check(row.location)
    except GridError as error:
        yield f"instance {row.sop_uid}: {error.message}"
        return
    if digest != row.digest:
        yield f"instance {row.sop_uid}: the catalogue means digest {row.digest[:16]}, its bytes have {digest[:16]}"


def _verified(node: Node) -> list[str]:
    return [finding.line for part in PARTS for finding in verify_part(node, part)]
