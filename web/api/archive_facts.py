"""What of a study a trial of rules looks at, from its rows: only what decides when it would be archived and expire."""

from __future__ import annotations

from node.archive.archived import copies_of, peek_archived, verified_stores
from node.archive.facts import Hold, State, StudyFacts, Tier
from node.catalogue.search import peek_study
from node.database.port import integer, read_as
from node.names import StudyKey
from node.node import Node


def read_facts(node: Node, key: StudyKey) -> StudyFacts | None:
    """Give the facts of a study; None when it is not here. Five reads by keys."""
    row = peek_study(node.database, key)
    if row is None:
        return None
    archived = peek_archived(node.database, key)
    tier = Tier.ONLINE if archived is None else Tier.BOTH if archived.online else Tier.ARCHIVED
    where = (key.origin, key.study_uid)
    (found,) = node.database.read(
        "SELECT (SELECT count(*) FROM instance WHERE origin = ? AND study_uid = ?) AS contents,"
        " (SELECT max(signed_at) FROM report WHERE origin = ? AND study_uid = ?) AS reported_at,"
        " (SELECT read_at FROM lifecycle WHERE origin = ? AND study_uid = ?) AS read_at",
        (*where, *where, *where),
    )
    holds = read_as(
        node.database, Hold, "SELECT reason, who, until FROM hold WHERE origin = ? AND study_uid = ?", where
    )
    copies = [] if archived is None else copies_of(node.database, archived.digest)
    return StudyFacts(
        origin=key.origin,
        study_uid=key.study_uid,
        modalities=tuple(row.modality_list),
        department=row.department,
        study_date=row.study_date,
        bytes=row.bytes,
        instances=row.instance_count,
        state=State.COMPLETE if row.state == "complete" else State.RECEIVING,
        first_at=row.first_at,
        last_at=row.last_at,
        read_at=integer(found, "read_at") or None,
        reported_at=integer(found, "reported_at") or None,
        tier=tier,
        packaged=archived is not None and archived.instances == integer(found, "contents"),
        package_bytes=0 if archived is None else archived.bytes,
        verified_copies=len(verified_stores(copies)),
        holds=tuple(holds),
        rejected=bool(row.rejected),
    )
