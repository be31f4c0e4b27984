"""What the archive has of a study, as rows: its packages, their copies, and which of its instances lie there alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from node.archive.package.manifest import Instance
from node.canonical import digest_of
from node.catalogue.search import InstanceRow
from node.clock import Micros
from node.database.port import Database, read_as
from node.names import Digest, NodeId, StudyKey, StudyUID
from node.store.directory import ARCHIVED

NEEDS_A_COPY = ("consult",)
"""Reasons of holds that are content with a verified copy, wherever it is; any other needs the online one."""
VERIFIED, DAMAGED, GONE = "verified", "damaged", "gone"
AWAY, WHOLE, PART = 0, 1, 2
"""How much of an archived study is online, too."""
SUPERSEDED = "superseded"
"""Of a copy that counts no more, and is to be removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedRow:
    """One generation of a study's package: a row of table ``archived``."""

    origin: NodeId
    study_uid: StudyUID
    generation: int
    digest: Digest
    """SHA-256 of the package."""
    pack: str
    """The name that rows of its instances have while they are in the archive alone."""
    contents: Digest
    instances: int
    bytes: int
    online_bytes: int
    """Of the originals."""
    online: int
    """`AWAY`, `WHOLE` or `PART`; what comes after its package was made is looked at when the study is complete again."""
    at: Micros

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.origin, study_uid=self.study_uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRow:
    """Where a package lies: a row of table ``package_copy``."""

    digest: Digest
    store: str
    stored: str
    """Its name there."""
    bytes: int
    wrapped_key: str
    state: str
    verified_at: Micros


def peek_archived(database: Database, key: StudyKey) -> ArchivedRow | None:
    """Give the newest package of a study; None when there is none."""
    rows = read_as(
        database,
        ArchivedRow,
        "SELECT * FROM archived WHERE origin = ? AND study_uid = ? ORDER BY generation DESC LIMIT 1",
        (key.origin, key.study_uid),
    )
    return rows[0] if rows else None


def peek_archived_pack(database: Database, pack: str) -> ArchivedRow | None:
    """Give the package that rows mean by a name."""
    rows = read_as(database, ArchivedRow, "SELECT * FROM archived WHERE pack = ?", (pack,))
    return rows[0] if rows else None


def copies_of(database: Database, digest: Digest) -> list[CopyRow]:
    """Give the copies of a package, the one verified last first."""
    sql = "SELECT * FROM package_copy WHERE digest = ? ORDER BY verified_at DESC, store"
    return read_as(database, CopyRow, sql, (digest,))


def verified_stores(copies: Iterable[CopyRow]) -> frozenset[str]:
    """Give the stores that hold a verified copy: two in one store are one."""
    return frozenset(copy.store for copy in copies if copy.state == VERIFIED)


def contents_of(rows: Iterable[InstanceRow | Instance]) -> Digest:
    """Name what a study consists of: each content of each instance, whatever state it is in."""
    return digest_of("\n".join(sorted(f"{row.sop_uid} {row.digest}" for row in rows)))


def is_archived(pack: str) -> bool:
    """Say whether a row that means this name lies in the archive alone."""
    return pack.startswith(f"{ARCHIVED}-")
