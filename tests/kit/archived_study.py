"""A study that is archived, expired and recalled in a bare node, as the actors and jobs do.

``python -m tests.kit.archived_study FOLDER archive|expire|retire|recall|portions|grow|supersede ...`` takes these steps one after the other, over node ``alpha`` in a
folder, as a process that can be killed.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from node.archive.archived import ArchivedRow, copies_of, is_archived, peek_archived
from node.archive.archiving import archive_study
from node.archive.expiring import expire_study
from node.archive.recall import portions
from node.archive.recall.recalling import bring
from node.archive.superseding import supersede_some
from node.catalogue.fresh import read_fresh
from node.catalogue.moving import RETIRED_FOR, retire_packs, settle_merges
from node.catalogue.search import instances_of
from node.clock import SystemClock
from node.database.port import Statement
from node.errors import Conflict
from node.names import StudyKey, StudyUID
from node.node import Node
from tests.kit.archived_kinds import KINDS, ct, picture, words
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold
from tests.kit.merging import KEY, STUDY, associate, complete, ingest, rows_of

COUNT = 6


def slices(count: int = COUNT, *, study: str = STUDY, series: int = 1) -> list[bytes]:
    """Give slices of a series of a study that are coded again."""
    return [
        ct(
            words(picture(12, seed=n)),
            change={
                0x0020000D: ("UI", study),
                0x0020000E: ("UI", f"{study}.{series}"),
                0x00080018: ("UI", f"{study}.{series}.{n}"),
                0x00200013: ("IS", str(n)),
            },
        ).data_set
        for n in range(1, count + 1)
    ]


def hold_study(node: Node, count: int = COUNT) -> None:
    """Receive a study in one association, and complete it."""
    associate(node, *slices(count))
    ingest(node)
    complete(node)


def hold_kinds(node: Node) -> None:
    """Receive a study with an instance of each kind, but for the one whose UID is deflated, and complete it."""
    for n, kind in enumerate(KINDS.values()):
        given = kind.given
        if not given.transfer_syntax.endswith(".99"):
            uid = f"2.25.1.1.{n + 100}".encode()[:10]
            hold(
                node,
                [given.data_set.replace(b"2.25.1.1.1", uid, 1)],
                transfer_syntax=given.transfer_syntax,
            )
    complete(node, KEY)
    for pack in node.packs.landing():
        node.packs.landed(pack)


def hold_another(node: Node, number: int, count: int = 2) -> StudyKey:
    """Receive another study, and complete it; give its key."""
    key = StudyKey(origin=KEY.origin, study_uid=StudyUID(f"2.25.7{number}"))
    associate(node, *slices(count, study=key.study_uid))
    ingest(node)
    complete(node, key)
    return key


def archive(node: Node, key: StudyKey = KEY) -> ArchivedRow:
    """Archive it."""
    archive_study(node, origin=key.origin, study_uid=key.study_uid)
    found = peek_archived(node.database, key)
    assert found is not None
    return found


def grow(node: Node, number: int = COUNT + 1) -> None:
    """Let another slice come, and the study be complete again."""
    associate(node, slices(number)[-1])
    ingest(node)
    complete(node)


def expire(node: Node, clock: FrozenClock) -> None:
    """Let its online copy go, and the packs with it."""
    expire_study(node, KEY, reason="age")
    clock.advance(RETIRED_FOR + 1)
    retire_packs(node)


def expire_at_once(node: Node, clock: FrozenClock, key: StudyKey) -> None:
    """Let another study's online copy go, and its packs."""
    expire_study(node, key, reason="age")
    clock.advance(RETIRED_FOR + 1)
    retire_packs(node)


def recall(node: Node) -> None:
    """Bring it back."""
    bring(node, KEY, who="Dr. Li", why="asked")


def read_everything(node: Node) -> dict[tuple[str, str], str]:
    """Give the digest of each instance as a file, read as whoever serves it does."""
    return {
        (row.sop_uid, row.digest): hashlib.sha256(
            read_fresh(node, row, lambda row: node.packs.read_file(row.location))
        ).hexdigest()
        for row in rows_of(node)
    }


def lies_in_archive(node: Node, key: StudyKey = KEY) -> bool:
    """Say whether all of it lies in the archive alone."""
    rows = instances_of(node.database, key, chosen_only=False)
    return all(is_archived(row.pack) for row in rows)


def stores_of(node: Node) -> set[str]:
    """Give the stores that hold its package."""
    found = peek_archived(node.database, KEY)
    assert found is not None
    return {copy.store for copy in copies_of(node.database, found.digest)}


def archive_until_done(node: Node) -> None:
    """Archive it as its job does, which is run again after it was put off to bring the study first."""
    try:
        archive(node)
    except Conflict:
        archive(node)


def start(folder: Path) -> Node:
    """Open the node as after an outage."""
    node = bare_node(folder, "alpha", SystemClock())
    node.packs.recover()
    settle_merges(node)
    node.archive.clean()
    ingest(node)
    if rows_of(node):
        complete(node)
    return node


def main(arguments: Sequence[str]) -> None:
    node = start(Path(arguments[0]))
    for act in arguments[1:]:
        match act:
            case "archive":
                archive_until_done(node)
            case "expire":
                expire_study(node, KEY, reason="age")
            case "retire":
                node.write([Statement("UPDATE retired_pack SET due = 0")])
                retire_packs(node)
            case "recall":
                recall(node)
            case "portions":
                portions.SPLIT_BYTES = 0
                recall(node)
            case "grow":
                number = len(rows_of(node)) + 1
                grow(node, number)
                print(number, flush=True)
            case "supersede":
                node.write([Statement("UPDATE archived SET at = 0")])
                supersede_some(node)
            case _:
                raise AssertionError(act)
    node.close()


if __name__ == "__main__":
    main(sys.argv[1:])
