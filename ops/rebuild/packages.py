"""Packages in the stores written again as rows, and what lies in them alone registered from them.

What nobody tells of is believed after it was read back whole: the journal says which packages were verified, and where.
Which those are is looked at soon again in any case, since nothing of when they were verified last is left. Of several
packages of one generation that counts which the journal names; the others are listed as what a crash left.

An instance that a pack has stays the pack's. One that a package alone has gets its row from the package: its manifest, what
was known of its arrival, and the beginning of its data set. Of a study the newest package counts, and of it
the first copy that gives all; what none gives is looked for in earlier packages, and listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from node.archive.archived import AWAY, PART, VERIFIED, WHOLE, ArchivedRow, CopyRow, contents_of
from node.archive.copies import copy_row, stored_of, usable_copies
from node.archive.package.manifest import Manifest
from node.archive.package.reading import Package
from node.archive.stores.port import ArchiveStore, Stored
from node.archive.stores.verifying import verify_copy
from node.catalogue.contents import StoredContents
from node.catalogue.reregistration import take_arrivals
from node.clock import Micros
from node.database.port import Statement, read_as, text
from node.errors import GridError
from node.events import StudyArchived, decode
from node.names import Cause, Digest, StudyKey
from node.node import Node
from node.store.directory import ARCHIVED
from ops.rebuild.deleted import Deleted
from ops.rebuild.packaged import PackagedContents, arrivals_in
from ops.rebuild.records import Told

BATCH = 400
_ONLINE = Statement(
    "UPDATE archived SET online = CASE WHEN NOT EXISTS"
    f" (SELECT 1 FROM archived_series AS away WHERE away.pack = archived.pack) THEN {WHOLE} WHEN EXISTS"
    " (SELECT 1 FROM online_instance AS one WHERE one.origin = archived.origin"
    f" AND one.study_uid = archived.study_uid) THEN {PART} ELSE {AWAY} END"
)
"""How much of each is online: without the word for a part, no rule would ever let that part go."""


@dataclass(slots=True, kw_only=True)
class Packages:
    """What came of the stores."""

    packages: int = 0
    instances: int = 0
    """That lie in the archive alone."""
    unreadable: list[str] = field(default_factory=list)
    """One sentence a store that is away, or a package that cannot be had or that nothing means."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What the journal says of a package."""

    event: StudyArchived
    at: Micros


def write_packages(node: Node, deleted: Deleted, tell: Told) -> Packages:
    """Write the rows of all packages that lie in the stores, and of what lies there alone."""
    found = Packages()
    held = _copies(node, found)
    for n, (digest, copies) in enumerate(sorted(held.items()), start=1):
        try:
            _write_package(node, found, digest, copies, deleted)
        except GridError as error:
            found.unreadable.append(f"package {digest[:16]}: {error.message}")
        tell("packages", n, len(held))
    contents = PackagedContents(node)
    for packages in _by_study(node):
        found.instances += _take_study(node, found, packages, contents)
    node.database.write([_ONLINE], node.new_id())
    return found


def _copies(node: Node, found: Packages) -> dict[Digest, list[tuple[ArchiveStore, Stored]]]:
    """Give where each package lies; in the order of the stores."""
    held: dict[Digest, list[tuple[ArchiveStore, Stored]]] = {}
    for store in node.archive.stores:
        try:
            for stored in store.listed():
                if stored.package:
                    held.setdefault(stored.package, []).append((store, stored))
                else:
                    found.unreadable.append(
                        f"archive store {store.name!r}: package {stored.stored_name[:16]} is sealed, and its key is not in"
                        " keys/packages. Restore the database from a backup, and rebuild again, to have it."
                    )
        except GridError as error:
            found.unreadable.append(error.message)
    return held


def _write_package(
    node: Node,
    found: Packages,
    digest: Digest,
    copies: list[tuple[ArchiveStore, Stored]],
    deleted: Deleted,
) -> None:
    manifest, size = _manifest(copies)
    key = StudyKey(origin=manifest.origin, study_uid=manifest.study_uid)
    told = _told(node, key, digest)
    refusal = _refusal(node, key, manifest, deleted, is_told=told is not None)
    if refusal:
        found.unreadable.append(f"package {digest[:16]}: {refusal}")
        return
    if told is None:
        copies = [one for one in copies if _is_whole(node, *one, found)]
        if not copies:
            return
    statements: list[Statement] = []
    if told is None:
        told = _Told(event=_event(manifest, digest, size, copies), at=node.now())
        version = node.journal.version(key.subject)
        statements += node.journal.append(
            key.subject, [told.event], after=version, cause=Cause(node.new_id())
        )
    row = _archived(node, manifest, digest, size=size, at=told.at)
    node.database.write(
        [*statements, _insert(row), *(_copy(store, one) for store, one in copies)], node.new_id()
    )
    found.packages += 1
    missing = set(told.event.stores) - {store.name for store, _ in copies}
    found.unreadable += [
        f"package {digest[:16]}: archive store {name!r}, which had it, has it no more. Run 'meridian archive mend'."
        for name in sorted(missing)
    ]


def _refusal(node: Node, key: StudyKey, manifest: Manifest, deleted: Deleted, *, is_told: bool) -> str:
    """Say why a package does not count; empty when it does."""
    if deleted.covers(key, manifest.made_at):
        return "its study was deleted, and a store has it still. Remove it there."
    if is_told:
        return ""
    if _is_taken(node, key, manifest.generation, told_only=True):
        return "the journal means another one of this study. A crash left it; remove it."
    if _is_taken(node, key, manifest.generation, told_only=False):
        return "another of the same study and number counts. Look at both."
    return ""


def _manifest(copies: list[tuple[ArchiveStore, Stored]]) -> tuple[Manifest, int]:
    """Read what a package says of itself, in the first store that gives it."""
    errors: list[GridError] = []
    for store, stored in copies:
        try:
            with closing(store.open(stored)) as file:
                package = Package(file)
                package.arrivals()  # compared with its digest
                return package.manifest, file.size
        except GridError as error:
            errors.append(error)
    raise errors[0]


def _told(node: Node, key: StudyKey, digest: Digest) -> _Told | None:
    for record in node.journal.of(key.subject):
        event = decode((StudyArchived,), record.type, record.body)
        if event is not None and event.digest == digest:
            return _Told(event=event, at=record.at)
    return None


def _is_taken(node: Node, key: StudyKey, generation: int, *, told_only: bool) -> bool:
    """Say whether a row has this generation; with ``told_only``, whether the journal names a package for it."""
    if told_only:
        events = (decode((StudyArchived,), one.type, one.body) for one in node.journal.of(key.subject))
        return any(event is not None and event.generation == generation for event in events)
    sql = "SELECT 1 AS taken FROM archived WHERE origin = ? AND study_uid = ? AND generation = ?"
    return bool(node.database.read(sql, (key.origin, key.study_uid, generation)))


def _is_whole(node: Node, store: ArchiveStore, stored: Stored, found: Packages) -> bool:
    """Read a copy back of which the journal does not say that somebody did."""
    try:
        verify_copy(store, stored, node.clock)
    except GridError as error:
        found.unreadable.append(f"package {stored.package[:16]}: {error.message}")
        return False
    return True


def _event(
    manifest: Manifest, digest: Digest, size: int, copies: Iterable[tuple[ArchiveStore, Stored]]
) -> StudyArchived:
    return StudyArchived(
        generation=manifest.generation,
        digest=digest,
        instances=len(manifest.numbered()),
        bytes=size,
        stores=tuple(store.name for store, _ in copies),
    )


def _archived(node: Node, manifest: Manifest, digest: Digest, *, size: int, at: Micros) -> ArchivedRow:
    instances = [each for _, _, each in manifest.numbered()]
    return ArchivedRow(
        origin=manifest.origin,
        study_uid=manifest.study_uid,
        generation=manifest.generation,
        digest=digest,
        pack=f"{ARCHIVED}-{node.new_id()}",
        contents=contents_of(instances),
        instances=len(instances),
        bytes=size,
        online_bytes=sum(each.data_bytes for each in instances),
        online=WHOLE,
        at=at,
    )


def _insert(row: ArchivedRow) -> Statement:
    return Statement(
        "INSERT INTO archived (origin, study_uid, generation, digest, pack, contents, instances, bytes, online_bytes,"
        " online, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.origin, row.study_uid, row.generation, row.digest, row.pack, row.contents, row.instances, row.bytes,
            row.online_bytes, row.online, row.at,
        ),
    )  # fmt: skip


def _copy(store: ArchiveStore, stored: Stored) -> Statement:
    return copy_row(
        CopyRow(
            digest=stored.package,
            store=store.name,
            stored=stored.stored_name,
            bytes=stored.size_bytes,
            wrapped_key=stored.wrapped_key,
            state=VERIFIED,
            verified_at=0,
        )
    )


def _by_study(node: Node) -> Iterator[list[ArchivedRow]]:
    """Give the packages of each study, the newest first."""
    after = ("", "")
    sql = (
        "SELECT DISTINCT origin, study_uid FROM archived WHERE (origin, study_uid) > (?, ?)"
        f" ORDER BY origin, study_uid LIMIT {BATCH}"
    )
    every = "SELECT * FROM archived WHERE origin = ? AND study_uid = ? ORDER BY generation DESC"
    while page := node.database.read(sql, after):
        for row in page:
            after = (text(row, "origin"), text(row, "study_uid"))
            yield read_as(node.database, ArchivedRow, every, after)


def _take_study(node: Node, found: Packages, packages: list[ArchivedRow], contents: StoredContents) -> int:
    """Register what no pack has of a study, from the first copy that has it whole; give how many instances those are."""
    taken, faults = 0, list[str]()
    for archived in packages:
        for copy in usable_copies(node, archived.digest):
            count, failed = _take_missing(node, archived, copy, contents)
            taken += count
            if not failed:
                return taken
            faults += [f"package {archived.digest[:16]} in store {copy.store!r}: {one}" for one in failed]
    found.unreadable += faults
    return taken


def _take_missing(
    node: Node, archived: ArchivedRow, copy: CopyRow, contents: StoredContents
) -> tuple[int, list[str]]:
    """Register what a copy has and nothing else gave; give how many instances, and what could not be read."""
    here = {
        (text(row, "sop_uid"), text(row, "digest"))
        for row in node.database.read(
            "SELECT sop_uid, digest FROM instance WHERE origin = ? AND study_uid = ?",
            (archived.origin, archived.study_uid),
        )
    }
    taken, failed = 0, list[str]()
    try:
        with closing(node.archive.store(copy.store).open(stored_of(copy))) as file:
            package = Package(file)
            missing = [
                n for n, _, one in package.manifest.numbered() if (one.sop_uid, one.digest) not in here
            ]
            for at in range(0, len(missing), BATCH):
                arrivals = arrivals_in(node, package, archived.pack, missing[at : at + BATCH], failed)
                taken += take_arrivals(node, arrivals, contents=contents)
    except GridError as error:
        failed.append(error.message)
    return taken, failed
