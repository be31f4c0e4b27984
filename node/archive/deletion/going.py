"""What would go with a study, from where, and who is told: read before anybody asks, and before anybody approves."""

from __future__ import annotations

from dataclasses import dataclass

from node.archive.deletion.barring import check_deletable
from node.archive.deletion.deed import Retention, retention_of
from node.archive.deletion.forgetting import cases_of
from node.catalogue.search import get_study
from node.clock import Micros
from node.database.port import Row, integer, text
from node.errors import Conflict, Refused
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node

MOST_LISTED = 200
_OF = "origin = ? AND study_uid = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """All of it; ``barred`` says what keeps the study, and is empty when nothing does."""

    key: StudyKey
    instances: int
    bytes: int
    series: int
    packs: int
    stores: tuple[str, ...]
    reports: int
    cases: int
    peers: tuple[str, ...]
    retention: Retention
    barred: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRetention:
    """A study whose time is over, as it was decided last."""

    key: StudyKey
    instances: int
    bytes: int
    since: Micros
    rule: str


def what_goes(node: Node, key: StudyKey) -> Going:
    """Say what would go with a study, and what keeps it.

    Raises
    ------
    NotFound
        It is not here.
    """
    study, where = get_study(node.database, key), (key.origin, key.study_uid)
    (row,) = node.database.read(
        f"SELECT (SELECT count(DISTINCT pack) FROM online_instance WHERE {_OF}) AS packs,"
        f" (SELECT count(*) FROM report WHERE {_OF}) AS reports",
        where * 2,
    )
    stores = node.database.read(
        f"SELECT DISTINCT store FROM archived JOIN package_copy USING (digest) WHERE {_OF} ORDER BY store",
        where,
    )
    peers = node.database.read(
        f"SELECT DISTINCT peer FROM decision WHERE {_OF} AND (told <> '' OR completed <> '')"
        f" UNION SELECT peer FROM part WHERE {_OF} AND direction = 'out' ORDER BY peer",
        where * 2,
    )
    return Going(
        key=key,
        instances=study.instance_count,
        bytes=study.bytes,
        series=study.series_count,
        packs=integer(row, "packs"),
        stores=tuple(text(one, "store") for one in stores),
        reports=integer(row, "reports"),
        cases=len(cases_of(node, key)),
        peers=tuple(text(one, "peer") for one in peers),
        retention=retention_of(node, key),
        barred=_barred(node, key),
    )


def past_retention(node: Node) -> list[PastRetention]:
    """Give studies of which it was decided last that they may be deleted, those that are over longest first."""
    rows = node.database.read(
        "SELECT l.origin, l.study_uid, l.figures ->> 'over_at' AS since, l.figures ->> 'rule' AS rule, s.instance_count AS n,"
        " s.bytes AS bytes FROM lifecycle AS l JOIN study AS s ON s.origin = l.origin AND s.study_uid = l.study_uid"
        " WHERE l.decision = 'may-be-deleted' AND NOT EXISTS (SELECT 1 FROM deletion AS d WHERE d.origin = l.origin"
        " AND d.study_uid = l.study_uid AND d.state = 'asked') ORDER BY since LIMIT ?",
        (MOST_LISTED,),
    )
    return [_past(row) for row in rows]


def _past(row: Row) -> PastRetention:
    return PastRetention(
        key=StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid"))),
        instances=integer(row, "n"),
        bytes=integer(row, "bytes"),
        since=integer(row, "since"),
        rule=text(row, "rule"),
    )


def _barred(node: Node, key: StudyKey) -> str:
    try:
        check_deletable(node, key, by_time=False)
    except (Conflict, Refused) as error:
        return error.message
    return ""
