"""What a certificate of deletion begins with: what went, by whose word, and what the law had to say; fixed when it goes."""

from __future__ import annotations

import msgspec

from node.archive.deletion.deletions import Deletion
from node.archive.lifecycle.known import read_facts
from node.archive.lifecycle.retention import retained_until, years_of
from node.archive.lifecycle.ruling import effective_rules
from node.canonical import digest_of
from node.catalogue.search import instances_of
from node.clock import Micros
from node.database.port import text
from node.names import StudyKey
from node.node import Node

VERSION = 1


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """By whose word, and when: a name of staff, ``rule NAME``, or a peer's id."""

    by: str
    at: Micros


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A package that goes too, and the stores that had it."""

    generation: int
    digest: str
    stores: tuple[str, ...]


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """The rule that counted; ``until`` None: it was not known. ``over``: its time had passed."""

    rule: str
    version: int
    years: int | None
    until: Micros | None
    over: bool


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. No word of a patient stands here: the certificate is kept for good."""

    v: int
    deletion: str
    node: str
    node_name: str
    origin: str
    study_uid: str
    instances: int
    """Contents, whatever state they were in."""
    bytes: int
    set_digest: str
    received_from: Micros
    received_until: Micros
    asked: Asked
    approved: Asked
    code: str
    words: str
    retention: Retention
    packages: tuple[Stored, ...]
    deleted_at: Micros
    """Backups that were made before still hold the study, until they are removed."""


def deed_of(node: Node, order: Deletion, *, words: str) -> Deed:
    """Give the deed of a deletion that is decided; the study is still here."""
    key = order.key
    rows = instances_of(node.database, key, chosen_only=False)
    times = [row.received_at for row in rows]
    return Deed(
        v=VERSION,
        deletion=order.id,
        node=node.id,
        node_name=node.config.node.name,
        origin=key.origin,
        study_uid=key.study_uid,
        instances=len(rows),
        bytes=sum(row.data_bytes for row in rows),
        set_digest=digest_of("\n".join(sorted(row.digest for row in rows))),
        received_from=min(times, default=0),
        received_until=max(times, default=0),
        asked=Asked(by=order.asked_name, at=order.asked_at),
        approved=Asked(by=order.ended_name, at=order.ended_at or node.now()),
        code=order.code,
        words=words,
        retention=retention_of(node, key),
        packages=_packages(node, key),
        deleted_at=order.ended_at or node.now(),
    )


def retention_of(node: Node, key: StudyKey) -> Retention:
    """Say until when the rules that count now keep a study; ``years`` None: for good."""
    rules, facts = effective_rules(node), read_facts(node, key)
    if facts is None:
        return Retention(rule="", version=rules.version, years=0, until=None, over=True)
    rule = rules.rule_for(facts)
    years = years_of(facts, rule, limits=rules.limits)
    until = None if years is None else retained_until(facts, years)
    over = until is not None and until <= node.now()
    return Retention(rule=rule.name, version=rules.version, years=years, until=until, over=over)


def _packages(node: Node, key: StudyKey) -> tuple[Stored, ...]:
    rows = node.database.read(
        "SELECT generation, digest, (SELECT group_concat(store) FROM (SELECT store FROM package_copy"
        " WHERE package_copy.digest = archived.digest ORDER BY store)) AS stores FROM archived"
        " WHERE origin = ? AND study_uid = ? ORDER BY generation",
        (key.origin, key.study_uid),
    )
    return tuple(
        Stored(
            generation=int(str(row["generation"])),
            digest=text(row, "digest"),
            stores=tuple(text(row, "stores").split(",")) if row["stores"] else (),
        )
        for row in rows
    )
