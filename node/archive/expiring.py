"""The online copy of an archived study let go: rows mean the archive from here on, packs go ten minutes later.

The batch itself says on what it rests: the study has not changed since its package was made, as many stores as are
wanted hold a verified copy, and nobody holds the study. What a decision read before does not count.
"""

from __future__ import annotations

from collections.abc import Sequence

from node.archive.archived import (
    NEEDS_A_COPY,
    VERIFIED,
    ArchivedRow,
    CopyRow,
    contents_of,
    copies_of,
    is_archived,
    peek_archived,
)
from node.archive.copies import is_there, open_package
from node.catalogue.folding import folded
from node.catalogue.repointing import retire
from node.catalogue.search import InstanceRow, get_study, instances_of
from node.database.port import Statement
from node.errors import Conflict, GridError, NotFound
from node.events import StudyExpired
from node.failpoints import failpoint, planted
from node.names import Digest, StudyKey
from node.node import Node


def expire_study(node: Node, key: StudyKey, *, reason: str) -> None:
    """Let the online copy of a study go.

    Raises
    ------
    Conflict
        It may not go: says what stands against it. Nothing was changed.
    NotFound
        It was never archived.
    """
    study = get_study(node.database, key)
    version = node.journal.version(key.subject)
    rows = instances_of(node.database, key, chosen_only=False)
    archived = peek_archived(node.database, key)
    if archived is None:
        raise NotFound("Expiring a study was refused: it is not in the archive. Archive it first.")
    if study.state != "complete" or archived.contents != contents_of(rows):
        raise _refused("it changed since it was archived. It is archived again first")
    online = [row for row in rows if not is_archived(row.pack)]
    if not online:
        return
    _check_copies(node, archived)
    numbers = _numbers(node, archived)
    event = StudyExpired(
        generation=archived.generation, reason=reason, bytes=sum(row.data_bytes for row in online)
    )
    node.write(
        [
            *node.journal.append(key.subject, [event], after=version, cause=study.cause),
            _guard(node, archived),
            *(_let_go(row, archived, numbers) for row in online),
            *folded(key),
            *_retired(node, online, archived),
        ]
    )
    failpoint("expired")


def _check_copies(node: Node, archived: ArchivedRow) -> None:
    """Look that copies lie where they were verified; a store that is away has none today."""
    if planted("expire-unlooked"):
        return
    found = {
        copy.store for copy in copies_of(node.database, archived.digest) if lies_there(node, copy, archived)
    }
    if len(found) < node.archive.copies:
        raise _refused(f"{len(found)} of {node.archive.copies} stores have its package. Look at the stores")


def lies_there(node: Node, copy: CopyRow, archived: ArchivedRow) -> bool:
    """Say whether a verified copy of a package lies in its store now; a store that is away has none today."""
    try:
        return copy.state == VERIFIED and is_there(node, copy, size_bytes=archived.bytes)
    except GridError:
        return False


def _numbers(node: Node, archived: ArchivedRow) -> dict[tuple[str, Digest], int]:
    """Give the number of each content in the package."""
    with open_package(node, archived.digest) as package:
        return {(each.sop_uid, each.digest): number for number, _, each in package.manifest.numbered()}


def _guard(node: Node, archived: ArchivedRow) -> Statement:
    hold = (
        ""
        if planted("hold-unguarded")
        else " AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.origin = archived.origin"
        f" AND hold.study_uid = archived.study_uid AND hold.reason NOT IN ({', '.join('?' * len(NEEDS_A_COPY))})"
        " AND (hold.until IS NULL OR hold.until > ?))"
    )
    return Statement(
        "UPDATE archived SET online = 0 WHERE origin = ? AND study_uid = ? AND generation = ?"
        f" AND (SELECT count(DISTINCT store) FROM package_copy WHERE digest = ? AND state = '{VERIFIED}') >= ?{hold}",
        (
            archived.origin,
            archived.study_uid,
            archived.generation,
            archived.digest,
            node.archive.copies,
            *(() if planted("hold-unguarded") else (*NEEDS_A_COPY, node.now())),
        ),
        expect=1,
        refusal="Expiring a study was refused: somebody holds it, or too few copies are verified.",
    )


def _let_go(row: InstanceRow, archived: ArchivedRow, numbers: dict[tuple[str, Digest], int]) -> Statement:
    number = numbers.get((row.sop_uid, row.digest))
    if number is None:
        raise _refused("its package does not have all of it. Archive it again")
    return Statement(
        "UPDATE online_instance SET pack = ?, offset = ?, data_offset = ? WHERE origin = ? AND study_uid = ? AND sop_uid = ?"
        " AND digest = ? AND pack = ? AND offset = ?",
        (
            archived.pack,
            number,
            number,
            row.origin,
            row.study_uid,
            row.sop_uid,
            row.digest,
            row.pack,
            row.offset,
        ),
        expect=1,
        refusal="Expiring a study was refused: an instance was moved meanwhile. It is tried again.",
    )


def _retired(node: Node, online: Sequence[InstanceRow], archived: ArchivedRow) -> list[Statement]:
    return [
        statement
        for pack in sorted({row.pack for row in online})
        for statement in retire(node, pack, archived.pack)
    ]


def _refused(what: str) -> Conflict:
    return Conflict(f"Expiring a study was refused: {what}.")
