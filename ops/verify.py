"""Hold a node's packs, catalogue, journal and envelopes against each other and name what is wrong.

Reads only. Every finding names the file or row, what was expected, and what to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from node.canonical import digest_of
from node.database.port import integer, text
from node.errors import Damaged, GridError
from node.journal.records import record_digest
from node.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it was written."""

    where: str
    what: str
    todo: str


def verify(node: Node) -> Iterator[Finding]:
    """Give every finding; none means all bytes and rows are what they were."""
    yield from _packs(node)
    yield from _catalogue(node)
    yield from _journal(node)
    yield from _texts(node)
    yield from _envelopes(node)
    yield from _blobs(node)


def counts(node: Node) -> dict[str, int]:
    """Say how much there is to verify."""
    tables = ("instance", "journal", "text", "outbox", "blob")
    return {t: integer(node.database.read(f"SELECT count(*) AS n FROM {t}")[0], "n") for t in tables} | {
        "pack": len(node.packs.names())
    }


def _packs(node: Node) -> Iterator[Finding]:
    """Every marked record: right bytes, and a row that knows it."""
    for pack in node.packs.names():
        try:
            for record in node.packs.marked(pack, 0):
                where = f"pack {pack} at {record.location.offset}"
                try:
                    node.packs.check(record.location)
                except Damaged as error:
                    yield Finding(
                        where=where, what=str(error), todo="fetch this study from a peer or the sender again"
                    )
                rows = node.database.read(
                    "SELECT 1 AS known FROM instance WHERE sop_uid = ? AND digest = ? LIMIT 1",
                    (record.sop_uid, record.digest),
                )
                if not rows:
                    yield Finding(
                        where=where,
                        what="this instance has no row in the catalogue",
                        todo="wait until the index has caught up, then verify again",
                    )
        except GridError as error:
            yield Finding(where=f"pack {pack}", what=str(error), todo="restore this pack from the backup")


def _catalogue(node: Node) -> Iterator[Finding]:
    """Every row: a pack that holds its bytes."""
    known = set(node.packs.names())
    for row in node.database.read("SELECT DISTINCT pack FROM instance"):
        pack = text(row, "pack")
        if pack not in known:
            yield Finding(
                where=f"pack {pack}",
                what="rows point into it and it is gone",
                todo="restore it from the backup",
            )
    for row in node.database.read(
        "SELECT s.origin, s.study_uid, s.instance_count AS counted, (SELECT count(DISTINCT sop_uid) FROM instance i"
        " WHERE i.origin = s.origin AND i.study_uid = s.study_uid) AS there FROM study s WHERE s.state <> 'announced'"
    ):
        if row["counted"] != row["there"]:
            yield Finding(
                where=f"study {row['origin']}/{row['study_uid']}",
                what=f"its row counts {row['counted']} instances, there are {row['there']}",
                todo="rebuild the index",
            )


def _journal(node: Node) -> Iterator[Finding]:
    """Every record against its own digest; positions without a hole in each subject."""
    seq = 0
    while records := node.journal.since(seq):
        for record in records:
            digest = record_digest(
                at=record.at,
                origin=record.origin,
                type_=record.type,
                subject=record.subject,
                version=record.version,
                cause=record.cause,
                body=record.body,
            )
            if digest != record.digest:
                yield Finding(
                    where=f"journal record {record.seq} ({record.type})",
                    what="its columns were altered after it was written",
                    todo="restore the database from the backup and compare",
                )
        seq = records[-1].seq
    for row in node.database.read(
        "SELECT subject, max(version) AS top, count(*) AS n FROM journal GROUP BY subject HAVING max(version) <> count(*)"
    ):
        yield Finding(
            where=f"journal of {row['subject']}",
            what=f"{integer(row, 'top') - integer(row, 'n')} of its records are gone",
            todo="restore the database from the backup and compare",
        )


def _texts(node: Node) -> Iterator[Finding]:
    for row in node.database.read("SELECT digest, kind, body FROM text"):
        if digest_of(text(row, "body")) != row["digest"]:
            yield Finding(
                where=f"text {text(row, 'digest')[:16]} ({row['kind']})",
                what="its words were altered",
                todo="take it back from its file below texts/",
            )


def _envelopes(node: Node) -> Iterator[Finding]:
    from federation.envelope import Envelope

    for table, who in (("outbox", "peer"), ("mailbox", "recipient")):
        for row in node.database.read(
            f"SELECT {who} AS who, n, envelope, envelope_digest AS digest FROM {table} WHERE envelope IS NOT NULL"
        ):
            where = f"envelope {row['n']} for {row['who']} in {table}"
            try:
                Envelope.from_text(text(row, "envelope"))
                broken = digest_of(text(row, "envelope")) != row["digest"]
            except GridError:
                broken = True
            if broken:
                yield Finding(
                    where=where, what="its bytes were altered", todo="its sender seals it again by itself"
                )


def _blobs(node: Node) -> Iterator[Finding]:
    for row in node.database.read(
        "SELECT digest, path, bytes FROM blob WHERE state IN ('ready', 'deposited')"
    ):
        path = node.state / text(row, "path")
        where = f"sealed file {text(row, 'digest')[:16]}"
        if not path.exists():
            yield Finding(where=where, what="its file is gone", todo="its sender makes it again when asked")
            continue
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        if digest.hexdigest() != row["digest"]:
            yield Finding(
                where=where, what="its bytes were altered", todo="its sender makes it again when asked"
            )
