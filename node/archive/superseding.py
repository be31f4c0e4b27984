"""Packages whose place a later one of their study has taken: let go once that is verified, never before.

First the batch that takes the older one out of the catalogue: it says itself that enough stores hold a verified copy of a later
one, and that nothing means the older one. Then its copies go, from each store that is there; one that is away is
asked again. A crash in between leaves copies that are known not to count.
"""

from __future__ import annotations

from contextlib import suppress

from node.archive.archived import SUPERSEDED, VERIFIED, ArchivedRow, CopyRow, peek_archived
from node.archive.copies import open_package, remove_copy
from node.archive.expiring import lies_there
from node.archive.orphans import contents_in
from node.catalogue.repointing import RETIRED_FOR
from node.database.port import Statement, read_as
from node.errors import Conflict, GridError
from node.failpoints import failpoint, planted
from node.node import Node

AT_ONCE = 50


def supersede_some(node: Node) -> int:
    """Let older packages go, and copies that are left of others, some at a time; give how many packages went."""
    gone = sum(supersede(node, archived) for archived in _older(node))
    remove_superseded(node)
    return gone


def supersede(node: Node, archived: ArchivedRow) -> bool:
    """Let a package go whose place a later one has taken; False when it stays, which loses nothing."""
    newest = peek_archived(node.database, archived.key)
    if newest is None or newest.generation <= archived.generation:
        return False
    if not (_is_safe(node, newest) and _has_all(node, newest, archived)):
        return False
    try:
        node.write(
            [
                _guarded(node, archived, newest),
                Statement(
                    "UPDATE package_copy SET state = ? WHERE digest = ?", (SUPERSEDED, archived.digest)
                ),
                Statement(
                    "UPDATE damage SET state = 'healed', ended_at = ? WHERE tier = 'archive' AND digest = ?"
                    " AND state <> 'healed'",
                    (node.now(), archived.digest),
                ),
            ]
        )
    except Conflict:
        return False
    failpoint("superseded")
    node.archive.opened.drop(archived.pack)
    return True


def remove_superseded(node: Node) -> None:
    """Remove copies that count no more; those in a store that is away are tried again, and none while a backup pins files."""
    with node.packs.directory.unpinned() as free:
        if free:
            for store in node.archive.stores:
                with suppress(GridError):
                    _remove_from(node, store.name)


def _older(node: Node) -> list[ArchivedRow]:
    """Give packages that a later one followed some time ago: whoever read a row before then has done with it."""
    return read_as(
        node.database,
        ArchivedRow,
        "SELECT * FROM archived AS older WHERE EXISTS (SELECT 1 FROM archived AS newer"
        " WHERE newer.origin = older.origin AND newer.study_uid = older.study_uid"
        " AND newer.generation > older.generation AND newer.at <= ?) LIMIT ?",
        (node.now() - RETIRED_FOR, AT_ONCE),
    )


def _is_safe(node: Node, newest: ArchivedRow) -> bool:
    """Say whether as many stores as are wanted have the newest package, and not by rows alone."""
    if planted("superseded-unverified"):
        return True
    rows = read_as(
        node.database,
        CopyRow,
        "SELECT * FROM package_copy WHERE digest = ? AND state = ?",
        (newest.digest, VERIFIED),
    )
    there = {copy.store for copy in rows if lies_there(node, copy, newest)}
    return len(there) >= max(node.archive.copies, 1)


def _has_all(node: Node, newest: ArchivedRow, archived: ArchivedRow) -> bool:
    """Say whether a later package holds every content of an older one; of one that no copy opens, as many."""
    try:
        with open_package(node, archived.digest) as package:
            held = contents_in(package)
    except GridError:
        return newest.instances >= archived.instances
    try:
        with open_package(node, newest.digest) as package:
            return held <= contents_in(package) or planted("superseded-unread")
    except GridError:
        return False


def _guarded(node: Node, archived: ArchivedRow, newest: ArchivedRow) -> Statement:
    """Take a package out of the catalogue, unless a row or a pack that is to go means it, or the newest is not verified."""
    wanted = 0 if planted("superseded-unverified") else max(node.archive.copies, 1)
    return Statement(
        "DELETE FROM archived WHERE origin = ? AND study_uid = ? AND generation = ?"
        " AND NOT EXISTS (SELECT 1 FROM archived_series AS away WHERE away.pack = archived.pack)"
        " AND NOT EXISTS (SELECT 1 FROM online_instance AS one WHERE one.pack = archived.pack)"
        " AND NOT EXISTS (SELECT 1 FROM retired_pack WHERE retired_pack.successor = archived.pack)"
        " AND (SELECT count(DISTINCT store) FROM package_copy WHERE digest = ? AND state = ?) >= ?",
        (
            archived.origin, archived.study_uid, archived.generation,
            newest.digest, VERIFIED, wanted,
        ),
        expect=1,
        refusal="Letting an older package go was refused: something means it, or the newer one is not verified. It stays.",
    )  # fmt: skip


def _remove_from(node: Node, store: str) -> None:
    copies = read_as(
        node.database,
        CopyRow,
        "SELECT * FROM package_copy WHERE state = ? AND store = ? AND NOT EXISTS"
        " (SELECT 1 FROM archived WHERE archived.digest = package_copy.digest) LIMIT ?",
        (SUPERSEDED, store, AT_ONCE),
    )
    for copy in copies:
        remove_copy(node, copy)
        failpoint("superseded-removed")
        node.write([_forgotten(copy)])


def _forgotten(copy: CopyRow) -> Statement:
    return Statement(
        "DELETE FROM package_copy WHERE digest = ? AND store = ? AND stored = ? AND state = ?",
        (copy.digest, copy.store, copy.stored, SUPERSEDED),
    )
