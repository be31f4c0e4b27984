"""The archive against the catalogue: copies as they were put, rows that mean what their package holds, and what nobody means."""

from __future__ import annotations

from collections.abc import Iterator

from node.archive.archived import SUPERSEDED, VERIFIED, ArchivedRow, CopyRow, copies_of
from node.archive.copies import open_package, stored_of
from node.archive.deletion.deletions import MEANT_COPIES
from node.archive.stores.verifying import verify_copy
from node.catalogue.search import InstanceRow
from node.database.instance_tables import IN_ARCHIVE
from node.database.port import read_as, text
from node.errors import GridError, NotFound
from node.node import Node
from ops.findings import Finding

_RESTORE = "put the store right, or let 'meridian archive mend' copy the package from another store"


def verify_archive(node: Node) -> Iterator[Finding]:
    """Give what is wrong with packages, copies and rows that mean them."""
    rows = read_as(
        node.database, ArchivedRow, "SELECT * FROM archived ORDER BY origin, study_uid, generation"
    )
    for archived in rows:
        yield from _verify_package(node, archived)
    yield from _verify_unknown(node)
    yield from _verify_unfolded(node)
    yield from _verify_rowless(node)
    yield from _verify_orphans(node)


def _verify_package(node: Node, archived: ArchivedRow) -> Iterator[Finding]:
    where = f"package {archived.digest[:16]} of study {archived.origin}/{archived.study_uid}"
    whole = 0
    for copy in copies_of(node.database, archived.digest):
        finding = _verify_copy(node, copy, where)
        whole += finding is None
        if finding is not None:
            yield finding
    meant = read_as(node.database, InstanceRow, "SELECT * FROM instance WHERE pack = ?", (archived.pack,))
    if not meant:
        return
    if not whole:
        yield Finding(
            where=where,
            what=f"no copy of it is whole, and {len(meant)} instances lie in it alone",
            todo=_RESTORE,
        )
        return
    yield from _verify_rows(node, archived, meant, where)


def _verify_copy(node: Node, copy: CopyRow, where: str) -> Finding | None:
    if copy.state != VERIFIED:
        return Finding(where=where, what=f"its copy in store {copy.store} is {copy.state}", todo=_RESTORE)
    try:
        verify_copy(node.archive.store(copy.store), stored_of(copy), node.clock)
    except GridError as error:
        return Finding(where=where, what=str(error), todo=_RESTORE)
    return None


def _verify_rows(
    node: Node, archived: ArchivedRow, meant: list[InstanceRow], where: str
) -> Iterator[Finding]:
    try:
        with open_package(node, archived.digest) as package:
            held = {number: (each.sop_uid, each.digest) for number, _, each in package.manifest.numbered()}
    except GridError as error:
        yield Finding(where=where, what=str(error), todo=_RESTORE)
        return
    for row in meant:
        if held.get(row.offset) != (row.sop_uid, row.digest):
            yield Finding(
                where=where,
                what=f"instance {row.sop_uid} is said to be its member {row.offset}, and is not",
                todo="restore the database from the backup and compare",
            )


def _verify_unknown(node: Node) -> Iterator[Finding]:
    """Look for rows that mean a package that no row knows."""
    rows = node.database.read(
        "SELECT pack, sum(json_array_length(instances)) AS n FROM archived_series"
        " WHERE pack NOT IN (SELECT pack FROM archived)"
        " GROUP BY pack"
    )
    for row in rows:
        yield Finding(
            where=f"package {row['pack']}",
            what=f"{row['n']} instances lie in it, and nothing is known of it",
            todo="restore the database from the backup and compare",
        )


def _verify_unfolded(node: Node) -> Iterator[Finding]:
    """Look for instances that lie in the archive alone and stand where those stand that are online."""
    for row in node.database.read(
        f"SELECT origin, study_uid, count(*) AS n FROM online_instance WHERE {IN_ARCHIVE} GROUP BY origin, study_uid"
    ):
        yield Finding(
            where=f"study {row['origin']}/{row['study_uid']}",
            what=f"{row['n']} instances lie in the archive alone, and their rows say that they are online",
            todo="recall the study and let it expire again",
        )


def _verify_rowless(node: Node) -> Iterator[Finding]:
    """Look for copies of packages that no study has."""
    rows = node.database.read(
        "SELECT digest, store FROM package_copy WHERE state <> ? AND digest NOT IN (SELECT digest FROM archived)"
        " ORDER BY digest, store",
        (SUPERSEDED,),
    )
    for row in rows:
        yield Finding(
            where=f"package {text(row, 'digest')[:16]} in archive store {row['store']}",
            what="a row says that it lies there, and no study has it",
            todo="restore the database from the backup and compare; if its study was deleted, remove the package",
        )


def _verify_orphans(node: Node) -> Iterator[Finding]:
    """Look for packages in stores that no row means; one that is being put just now is among them."""
    for store in node.archive.stores:
        known = {text(row, "stored") for row in node.database.read(MEANT_COPIES, (store.name, store.name))}
        try:
            strange = sorted(set(store.names()) - known)
        except (GridError, NotFound) as error:
            yield Finding(
                where=f"archive store {store.name}", what=str(error), todo="mount it, then verify again"
            )
            continue
        for name in strange:
            if name not in {
                text(row, "stored") for row in node.database.read(MEANT_COPIES, (store.name, store.name))
            }:
                yield Finding(
                    where=f"archive store {store.name}",
                    what=f"package {name[:16]} is meant by no study; a crash left it, or it is being put just now",
                    todo="verify again in an hour; remove it if it is there still",
                )
