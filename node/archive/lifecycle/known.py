"""What the rows of a node know of a study: the facts by which it is decided what becomes of its copies."""

from __future__ import annotations

from node.archive.archived import (
    AWAY,
    DAMAGED,
    NEEDS_A_COPY,
    PART,
    VERIFIED,
    ArchivedRow,
    contents_of,
    copies_of,
    peek_archived,
)
from node.archive.lifecycle.facts import (
    CopyState,
    Hold,
    Kind,
    State,
    StoredCopy,
    StudyFacts,
    Tier,
    verified_copies,
)
from node.archive.lifecycle.periods import DAY, day_of
from node.catalogue.search import StudyRow, instances_of, peek_study
from node.clock import Micros
from node.database.port import Statement, integer, text
from node.names import StudyKey
from node.node import Node

EARLY = 4
"""Priority of a recall from which on nobody asked for it: it is no use of its study."""
OLD_DAYS = 30
"""A study that was taken so long before it came was brought in afterwards."""
_STATES = {VERIFIED: CopyState.VERIFIED, DAMAGED: CopyState.DAMAGED}


def read_facts(node: Node, key: StudyKey) -> StudyFacts | None:
    """Give what is known of a study; None when there is none, or nothing of it is here."""
    study = peek_study(node.database, key)
    if study is None or not study.instance_count:
        return None
    archived = peek_archived(node.database, key)
    read_at, brought_at = _used_at(node, key)
    return StudyFacts(
        origin=key.origin,
        study_uid=key.study_uid,
        modalities=tuple(study.modality_list),
        department=study.department,
        study_date=study.study_date,
        bytes=study.bytes,
        instances=study.instance_count,
        state=State(study.state),
        first_at=study.first_at,
        last_at=study.last_at,
        read_at=read_at,
        reported_at=_reported_at(node, key),
        brought_at=brought_at,
        tier=_tier(archived),
        packaged=archived is not None and _is_covered(node, archived),
        package_bytes=archived.bytes if archived is not None else 0,
        verified_copies=_verified(node, archived),
        holds=_holds(node, key),
        backfilled=_is_backfilled(study),
        rejected=bool(study.rejected),
    )


def in_part(key: StudyKey) -> Statement:
    """Give the statement that says that a part of an archived study is online, since instances came after that."""
    return Statement(
        f"UPDATE archived SET online = {PART} WHERE origin = ? AND study_uid = ? AND online = {AWAY} AND EXISTS"
        " (SELECT 1 FROM online_instance AS one WHERE one.origin = archived.origin AND one.study_uid = archived.study_uid)",
        (key.origin, key.study_uid),
    )


def _tier(archived: ArchivedRow | None) -> Tier:
    if archived is None:
        return Tier.ONLINE
    return Tier.BOTH if archived.online else Tier.ARCHIVED


def _is_covered(node: Node, archived: ArchivedRow) -> bool:
    return archived.contents == contents_of(instances_of(node.database, archived.key, chosen_only=False))


def _verified(node: Node, archived: ArchivedRow | None) -> int:
    if archived is None:
        return 0
    configured = {store.name for store in node.archive.stores}
    copies = [
        StoredCopy(store=copy.store, state=_STATES.get(copy.state, CopyState.DAMAGED))
        for copy in copies_of(node.database, archived.digest)
        if copy.store in configured
    ]
    return verified_copies(copies)


def _holds(node: Node, key: StudyKey) -> tuple[Hold, ...]:
    rows = node.database.read(
        "SELECT reason, who, until FROM hold WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )
    return tuple(
        Hold(
            reason=text(row, "reason"),
            who=text(row, "who"),
            until=None if row["until"] is None else integer(row, "until"),
            kind=Kind.COPY if text(row, "reason") in NEEDS_A_COPY else Kind.ONLINE,
        )
        for row in rows
    )


def _used_at(node: Node, key: StudyKey) -> tuple[Micros | None, Micros | None]:
    """Give when a person last opened its images or it came back for who asked for it, and when for nobody who did; or began to."""
    came = "max(coalesce(ended_at, began_at)) FROM recall WHERE origin = ? AND study_uid = ? AND state IN ('done', 'running')"
    study = (key.origin, key.study_uid, EARLY)
    (row,) = node.database.read(
        "SELECT (SELECT max(at) FROM audit WHERE act = 'read-images' AND subject = ?) AS read,"
        f" (SELECT {came} AND priority < ?) AS asked, (SELECT {came} AND priority >= ?) AS brought",
        (key.subject, *study, *study),
    )
    read, asked, brought = (
        None if row[name] is None else integer(row, name) for name in ("read", "asked", "brought")
    )
    return max((at for at in (read, asked) if at is not None), default=None), brought


def _reported_at(node: Node, key: StudyKey) -> Micros | None:
    rows = node.database.read(
        "SELECT max(signed_at) AS at FROM report WHERE origin = ? AND study_uid = ?",
        (key.origin, key.study_uid),
    )
    return None if rows[0]["at"] is None else integer(rows[0], "at")


def _is_backfilled(study: StudyRow) -> bool:
    """Say whether it was old already when it came in: nobody waits for what is still to come of it."""
    day = day_of(study.study_date)
    return day is not None and study.first_at // DAY - day > OLD_DAYS
