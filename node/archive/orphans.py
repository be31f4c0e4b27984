"""Packages in stores that no row means: removed when they say nothing that is not here, else named; never sooner than a day.

A crash leaves some, and so does a database that was restored from before they were made: then they may hold the
only copy. So a package goes only when every content in it has a row here whose bytes stand; one of another node, one that
cannot be opened and one that holds more stays, and the administrator is told of it once.

A bucket may hold millions: it is looked through by jobs, each some thousand names from where the one before ended, so that
nothing waits for it, and a worker that is killed loses a few seconds.
"""

from __future__ import annotations

from contextlib import closing
from itertools import islice

from node.archive.archived import is_archived
from node.archive.package.reading import Package
from node.archive.shown import is_shown
from node.archive.stores.port import ArchiveStore, Stored
from node.archive.tier import QUEUE
from node.catalogue.search import instances_of
from node.clock import SECOND, Micros
from node.database.port import Statement, text
from node.errors import GridError, Unavailable
from node.failpoints import planted
from node.journal.jobs import enqueue
from node.names import Cause, Digest, StudyKey
from node.node import Node
from node.store.directory import is_damaged

OLD: Micros = 24 * 3600 * SECOND
AT_ONCE = 100
JOB = "look_for_orphans"
NAMES = 20_000
"""One job compares so many names of a store at most: some seconds with a bucket, and a recall waits no longer."""
PAGE = 2_000
LAST = 9
"""Whatever a person waits for goes first."""
TRIES = 6
AGAIN: Micros = 600 * SECOND
BEHIND_ALL = "g"
"""Names are hexadecimal digits."""
_MEANT = (
    "SELECT stored FROM package_copy WHERE store = ? AND stored > ? AND stored <= ?"
    " UNION SELECT what FROM deletion_step WHERE kind = 'copy' AND store = ? AND what > ? AND what <= ? AND state <> 'done'"
)


def ask_for_orphans(node: Node) -> None:
    """Ask for each store to be looked through, once a day however often it is asked."""
    day = node.now() // OLD
    node.write([_asked(node, store.name, after="", day=day) for store in node.archive.stores])


def look_for_orphans(node: Node, *, store: str, after: str, day: int, tries: int) -> None:
    """Look through some of a store; a job, which asks for the next one. The last removes or names what was an orphan a day ago.

    Parameters
    ----------
    after
        The name up to which the day's look has come; empty: it begins.
    tries
        How often the store was away just here. After some the look ends, and the next day's begins anew.
    """
    found = next((one for one in node.archive.stores if one.name == store), None)
    if found is None:
        return  # it is in the configuration no more
    try:
        last = _note_some(node, found, after=after)
        if not last:
            _settle(node, found)
    except Unavailable:
        if tries < TRIES:
            node.write([_asked(node, store, after=after, day=day, tries=tries + 1, at=node.now() + AGAIN)])
        return
    if last and not planted("orphans-first-names"):
        node.write([_asked(node, store, after=last, day=day)])


def _asked(node: Node, store: str, *, after: str, day: int, tries: int = 0, at: Micros = 0) -> Statement:
    return enqueue(
        JOB,
        {"store": store, "after": after, "day": day, "tries": tries},
        key=f"{JOB}/{store}/{day}/{after}/{tries}",
        cause=Cause(node.new_id()),
        now=node.now(),
        not_before=at,
        queue=QUEUE,
        priority=LAST,
    )


def _note_some(node: Node, store: ArchiveStore, *, after: str) -> str:
    """Compare the next names with rows; give the last of them, empty when there are no more."""
    listed = store.names(after=after)
    for _ in range(NAMES // PAGE):
        names = list(islice(listed, PAGE))
        until = names[-1] if len(names) == PAGE else BEHIND_ALL
        _note(node, store, set(names), after=after, until=until)
        after = until
        if until == BEHIND_ALL:
            return ""
    return after


def _note(node: Node, store: ArchiveStore, there: set[Digest], *, after: str, until: str) -> None:
    """Keep since when packages between two names are meant by no row; forget those that are meant, or gone."""
    between = (store.name, after, until)
    known = {text(row, "stored") for row in node.database.read(_MEANT, between * 2)}
    sql = "SELECT stored FROM orphan_package WHERE store = ? AND stored > ? AND stored <= ?"
    noted = {text(row, "stored") for row in node.database.read(sql, between)}
    orphans = there - known
    statements = [
        Statement(
            "INSERT INTO orphan_package (store, stored, seen_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (store.name, name, node.now()),
        )
        for name in sorted(orphans - noted)
    ]
    statements += [_forgotten(store, name) for name in sorted(noted - orphans)]
    for at in range(0, len(statements), 500):
        node.write(statements[at : at + 500])


def _settle(node: Node, store: ArchiveStore) -> None:
    rows = node.database.read(
        "SELECT stored FROM orphan_package WHERE store = ? AND seen_at <= ? ORDER BY seen_at, stored LIMIT ?",
        (store.name, node.now() - OLD, AT_ONCE),
    )
    left = 0
    for row in rows:
        name = Digest(text(row, "stored"))
        if _is_meant(node, store, name):
            continue
        if not _says_nothing_new(node, store, name):
            left += 1
            continue
        store.remove(name)
        node.write([_forgotten(store, name)])
    about = f"store/{store.name}"
    if left and not is_shown(node.database, "archive-orphans", about):
        detail = (
            f"Looking through archive store {store.name!r} found {left} packages that no study here means, and that may"
            " hold what is nowhere else. They stay. Run 'meridian verify', which names them; after a restore have the"
            " index built again before anything is removed by hand."
        )
        node.write(node.problem("archive-orphans", about=about, detail=detail, cause=Cause(node.new_id())))


def _is_meant(node: Node, store: ArchiveStore, name: Digest) -> bool:
    sql = (
        "SELECT 1 AS meant FROM package_copy WHERE store = ? AND stored = ?"
        " UNION ALL SELECT 1 FROM deletion_step WHERE kind = 'copy' AND store = ? AND what = ? AND state <> 'done'"
    )
    return bool(node.database.read(sql, (store.name, name) * 2))


def _says_nothing_new(node: Node, store: ArchiveStore, name: Digest) -> bool:
    """Say whether a package holds nothing but contents that have rows here whose bytes stand."""
    if planted("orphan-unopened"):
        return True
    try:
        with closing(store.open(Stored(package=name, stored_name=name, size_bytes=0))) as file:
            package = Package(file)
    except GridError:
        return False
    held, manifest = contents_in(package), package.manifest
    key = StudyKey(origin=manifest.origin, study_uid=manifest.study_uid)
    rows = instances_of(node.database, key, chosen_only=False)
    return held <= {(row.sop_uid, row.digest) for row in rows if _stands(node, row.pack)}


def contents_in(package: Package) -> frozenset[tuple[str, Digest]]:
    """Give what a package holds: instances, and the digest of each."""
    return frozenset((each.sop_uid, each.digest) for _, _, each in package.manifest.numbered())


def _stands(node: Node, pack: str) -> bool:
    """Say whether a row that means this has its bytes in a pack, or in a package with a verified copy."""
    if is_damaged(pack):
        return False
    if not is_archived(pack):
        return node.packs.path(pack).exists()
    return bool(
        node.database.read(
            "SELECT 1 AS stands FROM archived JOIN package_copy USING (digest) WHERE archived.pack = ?"
            " AND package_copy.state = 'verified' LIMIT 1",
            (pack,),
        )
    )


def _forgotten(store: ArchiveStore, name: str) -> Statement:
    return Statement("DELETE FROM orphan_package WHERE store = ? AND stored = ?", (store.name, name))
