"""Texts that nothing names: a text is synced before the batch that names it, so a command that is refused leaves its file.

Such a file is kept for a week, then removed. A week, since what an older database was restored over lies here too: whoever
restores it finds the words of what happened since, and so does a rebuild (`ops/rebuild/doubt.py`).

A file without a row goes only where nothing at all names it: no row, no record of the journal, no block that rows do not
know; and not while a rebuild left open what was corrected or how cases ended. One that a record names has lost its row,
and `meridian verify` says so; one that a deletion is about to erase is the deletion's.

A command that says the same words again makes the file young (`node.journal.texts`), so that it is not taken away between
its sync and its batch: a file gets another name first, and gets its own back if it is young after that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from node.clock import MINUTE, Micros
from node.database.port import Database, integer, text
from node.durable import sync_directory
from node.failpoints import planted
from node.journal.blocks import block_number
from node.journal.chain import blocks_folder
from node.journal.texts import NAMED_BY
from node.names import Digest
from node.node import Node

KEPT: Micros = 7 * 24 * 60 * MINUTE
"""So long a text that nothing names stays."""
LEAVING = ".leaving"
"""The name of a file on its way out ends so; a crash leaves it, and it gets its name back."""
_PAGE = 500
_UNSURE = (
    "SELECT 1 AS one FROM study WHERE corrections_until IS NOT NULL"
    " UNION ALL SELECT 1 FROM problem WHERE kind = 'cases-unknown' AND seen_at IS NULL LIMIT 1"
)
"""A rebuild left open what was corrected, or how cases ended: words that nothing names may be of those."""
_DIGEST = re.compile(rb"[0-9a-f]{64}")


def remove_unnamed(node: Node) -> int:
    """Remove the texts that nothing has named for a week; give how many went.

    Raises
    ------
    OSError
        The disk is failing.
    """
    _give_back(node)
    if node.database.read(_UNSURE):
        return 0
    old = {digest for digest in rowless(node) if _is_old(node, node.texts.path(digest))}
    if not old:
        return 0
    old -= _named(node, old)
    return sum(_remove(node, digest) for digest in sorted(old))


def rowless(node: Node) -> set[Digest]:
    """Give the files that have no row, whatever names them."""
    found: set[Digest] = set()
    for folder in node.texts.folders():
        files = {Digest(path.stem) for path in folder.glob("*.txt")}
        if files:
            rows = node.database.read(
                "SELECT digest FROM text WHERE digest >= ? AND digest < ?", (folder.name, f"{folder.name}g")
            )
            found |= files - {Digest(text(row, "digest")) for row in rows}
    return found


def lost_rows(node: Node) -> set[Digest]:
    """Give the texts that a row or a record names and that have a file and no row, but for what a deletion erases now."""
    files = rowless(node)
    if not files:
        return set()
    named = _in_rows(node.database, files) | _in_records(node, files)
    return {digest for digest in named & rowless(node) if not _is_leaving(node.database, digest)}


def _named(node: Node, digests: set[Digest]) -> set[Digest]:
    if planted("named-text-removed"):
        return set()
    leaving = {digest for digest in digests if _is_leaving(node.database, digest)}
    return (
        leaving
        | _in_rows(node.database, digests)
        | _in_records(node, digests)
        | _in_strange_blocks(node, digests)
    )


def _in_rows(database: Database, digests: Iterable[Digest]) -> set[Digest]:
    naming = " UNION ALL ".join(
        f"SELECT 1 AS one FROM {table} WHERE {column} = ?" for table, column in NAMED_BY
    )
    return {digest for digest in digests if database.read(naming, (digest,) * len(NAMED_BY))}


def _in_records(node: Node, digests: set[Digest]) -> set[Digest]:
    """Read the whole journal; only done where a file has no row."""
    found: set[Digest] = set()
    seq = 0
    while rows := node.database.read(
        "SELECT seq, body FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", (seq, _PAGE)
    ):
        seq = integer(rows[-1], "seq")
        for row in rows:
            found |= _digests_in(text(row, "body").encode()) & digests
    return found


def _in_strange_blocks(node: Node, digests: set[Digest]) -> set[Digest]:
    """Look into the blocks that the rows do not know: set aside after a restore, or behind a hole."""
    folder, found = blocks_folder(node), set[Digest]()
    known = {integer(row, "n") for row in node.database.read("SELECT n FROM block")}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if block_number(path) not in known:
            with path.open("rb") as lines:
                for line in lines:
                    found |= _digests_in(line) & digests
    return found


def _digests_in(raw: bytes) -> set[Digest]:
    return {Digest(one.decode()) for one in _DIGEST.findall(raw)}


def _is_leaving(database: Database, digest: Digest) -> bool:
    """Say whether a deletion erases it, row first, and has not come to the end of that."""
    sql = "SELECT 1 AS one FROM deletion_step WHERE kind = 'text' AND what = ? AND state <> 'done'"
    return bool(database.read(sql, (digest,)))


def _is_old(node: Node, path: Path) -> bool:
    try:
        written: Micros = path.stat().st_mtime_ns // 1000
    except FileNotFoundError:
        return False
    return written < node.now() - KEPT


def _remove(node: Node, digest: Digest) -> bool:
    """Take a file out of its name, look at it once more, and let it go or give its name back."""
    path = node.texts.path(digest)
    aside = path.with_suffix(LEAVING)
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    if not _is_old(node, aside) or node.database.read(
        "SELECT 1 AS one FROM text WHERE digest = ?", (digest,)
    ):
        _return(aside)
        return False
    aside.unlink(missing_ok=True)
    sync_directory(path.parent)
    return True


def _give_back(node: Node) -> None:
    """Give files their names back that a crash left on their way out."""
    for folder in node.texts.folders():
        for aside in folder.glob(f"*{LEAVING}"):
            _return(aside)


def _return(aside: Path) -> None:
    """Give a file its name back; where the same words were written anew meanwhile, those stay."""
    with suppress(FileExistsError, FileNotFoundError):
        os.link(aside, aside.with_suffix(".txt"))  # never over a younger one, as a rename would
    aside.unlink(missing_ok=True)
    sync_directory(aside.parent)
